// MSRP (RFC 4975) over a WebSocket (RFC 7977), as little of it as a page needs to send and receive files.
// Signalling is not here: the caller brings the paths of an offer and its answer.

const CHUNK_OCTETS = 16384;
const PATIENCE_MS = 20000;

const text = new TextDecoder();
const octets = new TextEncoder();

const token = (letters) => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
  const random = crypto.getRandomValues(new Uint8Array(letters));
  return Array.from(random, (number) => alphabet[number % alphabet.length]).join('');
};

const join = (...pieces) => {
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
};

// One WebSocket message is one frame (RFC 7977 §5.1), so its end-line is at the message's end.
const parse = (message) => {
  const line = text.decode(message.subarray(0, message.indexOf(13)));
  const [, tid, what] = /^MSRP ([^ ]+) (.*)$/.exec(line);
  const endLine = octets.encode(`-------${tid}?\r\n`).length;
  const flag = String.fromCharCode(message[message.length - 3]);
  const content = message.subarray(0, message.length - endLine);
  let blank = -1;
  for (let at = 0; at + 3 < content.length && blank < 0; at += 1) {
    if (content[at] === 13 && content[at + 1] === 10 && content[at + 2] === 13 && content[at + 3] === 10) blank = at;
  }
  const head = text.decode(blank < 0 ? content : content.subarray(0, blank));
  const body = blank < 0 ? new Uint8Array() : content.slice(blank + 4, content.length - 2);
  const headers = new Map(head.split('\r\n').slice(1).filter(Boolean).map((header) => {
    const colon = header.indexOf(':');
    return [header.slice(0, colon), header.slice(colon + 1).trim()];
  }));
  return { tid, what, headers, body, flag };
};

export class MsrpSocket {
  #socket;
  #url;
  #answers = new Map();
  #reports = new Map();
  #arriving = new Map();
  // Called with { type, content } for each message that has arrived whole.
  onmessage = () => {};

  // Opens wss://HOST:PORT/ with the subprotocol `msrp`.
  static open(url) {
    return new Promise((resolve, reject) => {
      const msrp = new MsrpSocket();
      msrp.#url = new URL(url);
      msrp.#socket = new WebSocket(url, 'msrp');
      msrp.#socket.binaryType = 'arraybuffer';
      msrp.#socket.onopen = () => resolve(msrp);
      msrp.#socket.onerror = () => reject(new Error(`no WebSocket to ${url}`));
      msrp.#socket.onmessage = (event) => msrp.#heard(event.data);
      msrp.#socket.onclose = (event) => msrp.#lost(`the WebSocket was closed: ${event.code} ${event.reason}`);
    });
  }

  // Asks the server for a relay URI (RFC 4976 §5.1) and gives the path for the SDP of one session.
  async auth() {
    const scheme = this.#url.protocol === 'wss:' ? 'msrps' : 'msrp';
    // RFC 7977 Appendix A: a page does not know its address, and needs none.
    const own = `${scheme}://${token(12).toLowerCase()}.invalid:2855/${token(22)};ws`;
    const relay = `${scheme}://${this.#url.hostname}:${this.#url.port || 443};ws`;
    const answer = await this.#request('AUTH', relay, own, [], new Uint8Array());
    if (!answer.what.startsWith('200')) throw new Error(`AUTH was answered ${answer.what}`);
    return `${answer.headers.get('Use-Path')} ${own}`;
  }

  // Sends `content` to the session of these two paths; done when the server has reported that it is stored.
  async send(ourPath, theirPath, type, content) {
    const [relay, own] = ourPath.split(' ');
    const id = token(22);
    const stored = this.#expect(this.#reports, id, 'success REPORT');
    for (let at = 0; at < content.length; at += CHUNK_OCTETS) {
      const chunk = content.subarray(at, at + CHUNK_OCTETS);
      const headers = [
        ['Message-ID', id],
        ['Byte-Range', `${at + 1}-*/${content.length}`],
        ['Success-Report', 'yes'],
        ['Content-Type', type],
      ];
      const flag = at + chunk.length === content.length ? '$' : '+';
      const answer = await this.#request('SEND', `${relay} ${theirPath}`, own, headers, chunk, flag);
      if (!answer.what.startsWith('200')) throw new Error(`SEND was answered ${answer.what}`);
    }
    const report = await stored;
    if (!report.headers.get('Status').startsWith('000 200')) throw new Error(report.headers.get('Status'));
  }

  close() {
    this.#socket.close(1000);
  }

  #request(method, to, from, headers, body, flag = '$') {
    const tid = token(16);
    const answered = this.#expect(this.#answers, tid, `answer to ${method}`);
    this.#write(`MSRP ${tid} ${method}`, tid, to, from, headers, body, flag);
    return answered;
  }

  #write(start, tid, to, from, headers, body = new Uint8Array(), flag = '$') {
    const lines = [start, `To-Path: ${to}`, `From-Path: ${from}`, ...headers.map(([name, value]) => `${name}: ${value}`)];
    const hasBody = headers.some(([name]) => name === 'Content-Type');
    const head = octets.encode(lines.join('\r\n') + (hasBody ? '\r\n\r\n' : '\r\n'));
    const end = octets.encode(`${hasBody ? '\r\n' : ''}-------${tid}${flag}\r\n`);
    this.#socket.send(join(head, body, end));
  }

  #expect(table, key, what) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no ${what}`)), PATIENCE_MS);
      table.set(key, { resolve: (frame) => { clearTimeout(timer); resolve(frame); }, reject });
    });
  }

  #heard(data) {
    const frame = parse(new Uint8Array(data));
    const settle = (table, key) => {
      table.get(key)?.resolve(frame);
      table.delete(key);
    };
    if (/^\d/.test(frame.what)) settle(this.#answers, frame.tid);
    else if (frame.what === 'REPORT') this.#reported(frame, settle);
    else if (frame.what === 'SEND') this.#received(frame);
  }

  // Only the REPORT of the whole message ends the waiting; those of a part of it (RFC 4975 §7.1.3) pass by.
  #reported(frame, settle) {
    const [, start, end, total] = /^(\d+)-(\d+)\/(\d+)$/.exec(frame.headers.get('Byte-Range')) ?? [];
    const whole = start === '1' && end === total;
    if (whole || !frame.headers.get('Status').startsWith('000 200')) settle(this.#reports, frame.headers.get('Message-ID'));
  }

  #received(frame) {
    // RFC 4975 §7.2: the answer goes to the previous hop alone, the REPORT all the way back.
    const [hop, us] = [frame.headers.get('From-Path').split(' ')[0], frame.headers.get('To-Path')];
    this.#write(`MSRP ${frame.tid} 200 OK`, frame.tid, hop, us, []);
    if (!frame.headers.has('Content-Type')) return;
    const id = frame.headers.get('Message-ID');
    const pieces = this.#arriving.get(id) ?? [];
    pieces.push(frame.body);
    this.#arriving.set(id, pieces);
    if (frame.flag !== '$') return;
    this.#arriving.delete(id);
    const content = join(...pieces);
    if (frame.headers.get('Success-Report') === 'yes') {
      const tid = token(16);
      this.#write(`MSRP ${tid} REPORT`, tid, frame.headers.get('From-Path'), us, [
        ['Message-ID', id],
        ['Byte-Range', `1-${content.length}/${content.length}`],
        ['Status', '000 200 OK'],
      ]);
    }
    this.onmessage({ type: frame.headers.get('Content-Type'), content });
  }

  #lost(why) {
    for (const table of [this.#answers, this.#reports]) {
      for (const { reject } of table.values()) reject(new Error(why));
      table.clear();
    }
  }
}
