// Deposits a picture over a WebSocket, fetches it back, compares, and tells whoever served this page.
// Its calls are placed by that server: an offer goes there by POST, and the answer comes back.

import { MsrpSocket } from './msrp.js';

const status = document.getElementById('status');

const hex = (buffer) => Array.from(new Uint8Array(buffer), (octet) => octet.toString(16).padStart(2, '0').toUpperCase());

const offer = (path, direction, lines) => [
  'v=0', 'o=- 1 1 IN IP4 page.invalid', 's=-', 'c=IN IP4 page.invalid', 't=0 0',
  'm=message 2855 TCP/TLS/MSRP *', 'a=setup:active', 'a=accept-types:*', `a=path:${path}`, `a=${direction}`, ...lines, '',
].join('\r\n');

const call = async (what, description) => {
  const response = await fetch(`/call/${what}`, { method: 'POST', body: description });
  const answer = await response.text();
  if (!response.ok) throw new Error(answer);
  return /^a=path:(.*?)\r?$/m.exec(answer)[1];
};

const run = async () => {
  const picture = new Uint8Array(await (await fetch('/photo.jpg')).arrayBuffer());
  const hash = hex(await crypto.subtle.digest('SHA-1', picture)).join(':');
  const socket = await MsrpSocket.open(new URLSearchParams(location.search).get('server'));

  status.textContent = 'Depositing…';
  const pushPath = await socket.auth();
  const theirs = await call('record', offer(pushPath, 'sendonly', [
    `a=file-selector:name:"photo.jpg" type:image/jpeg size:${picture.length} hash:sha-1:${hash}`,
    'a=file-transfer-id:browserpicture1',
  ]));
  await socket.send(pushPath, theirs, 'image/jpeg', picture);

  status.textContent = 'Fetching…';
  const fetched = new Promise((resolve) => { socket.onmessage = resolve; });
  const pullPath = await socket.auth();
  await call('play', offer(pullPath, 'recvonly', []));
  const { type, content } = await fetched;
  const same = content.length === picture.length && content.every((octet, at) => octet === picture[at]);
  if (!same || type !== 'image/jpeg') throw new Error(`${content.length} octets of ${type} came back`);
  document.getElementById('picture').src = URL.createObjectURL(new Blob([content], { type }));
  socket.close();
};

run().then(() => 'the same picture', (error) => `${error}`).then((outcome) => {
  status.textContent = outcome;
  return fetch('/done', { method: 'POST', body: outcome });
});
