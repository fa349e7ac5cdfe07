//! What a simulation is about, drawn from its seed: the weather, the habits, the errands and the blows.

use std::time::Duration;

use bytes::Bytes;
use restante::engine::Unattended;
use restante::msrp;
use restante::sip::Transport;
use restante::spool::Report;

use crate::clock::Dice;
use crate::faults::Bug;
use crate::net::Weather;
use crate::node::Habits;
use crate::world::SERVER;

/// How a process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crash {
    /// The process alone.
    Kill,
    /// The machine, and its disk forgets as this seed has it.
    Power(u64),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Blow {
    Crash(Crash),
    /// The server is asked to go when its work is done; another one takes its place.
    Drain,
    /// Some TCP connection breaks.
    Reset,
    /// Some phone is gone without a word.
    Vanish,
    /// A sync of the server's disk fails; after this time somebody starts the server again.
    Sync(Duration),
    /// The server stands still for this time.
    Freeze(Duration),
    /// Nothing gets to the second server, or comes from there, for this time.
    Part(Duration),
    /// The second server dies.
    Far(Crash),
    /// The wall clock of everybody jumps by so many seconds.
    Clock(i64),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    After(Duration),
    /// Before the server performs its output of this number.
    Step(u64),
}

/// What a phone does.
#[derive(Clone, Debug)]
pub(crate) enum Errand {
    Deposit(Deposit),
    /// Retrieve some object that the server has told of.
    Retrieve(Retrieve),
}

#[derive(Clone, Debug)]
pub(crate) struct Retrieve {
    pub(crate) transport: Transport,
    pub(crate) hang_up: Option<Duration>,
}

#[derive(Clone)]
pub(crate) struct Deposit {
    pub(crate) transport: Transport,
    pub(crate) content: Bytes,
    pub(crate) declares: Declares,
    /// Whether the phone also plays the application server and asks for a `<record>`.
    pub(crate) record: bool,
    pub(crate) hang_up: Option<Duration>,
    /// How often it tries again when the connection or the server dies.
    pub(crate) retries: u32,
    /// Name of the file and Message-ID of its message: the same at every try.
    pub(crate) path: String,
}

impl std::fmt::Debug for Deposit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { transport, declares, record, hang_up, path, .. } = self;
        let octets = self.content.len();
        write!(f, "Deposit({path} {octets} octets, {transport:?} {declares:?} record={record} hang_up={hang_up:?})")
    }
}

/// What a sender says of its file's digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Declares {
    Nothing,
    Truth,
    Lie,
}

pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) weather: Weather,
    pub(crate) server: Habits,
    pub(crate) phone: Habits,
    /// What each phone does, one after the other.
    pub(crate) phones: Vec<Vec<Errand>>,
    pub(crate) blows: Vec<(When, Blow)>,
    pub(crate) bug: Option<Bug>,
    pub(crate) bucket: Option<Pail>,
    /// There is a second server, to which the first forwards everything, and in a mood it finds so many of a hundred calls.
    pub(crate) far: Option<u64>,
    /// Whether the index outlives the process, as it does with a real server; else each start makes it anew.
    pub(crate) remembers: bool,
}

/// The server has a bucket as well as a disk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pail {
    pub(crate) report: Report,
    /// How many of a hundred calls fail.
    pub(crate) lapses: u64,
}

/// Sizes around which something changes: nothing, one octet, an interruptible chunk (RFC 4975 §5.1).
const SIZES: [u64; 7] = [0, 1, 2047, 2048, 2049, 2050, 4096];

const TEN_YEARS_SECS: i64 = 10 * 365 * 86_400;

const MILLISECOND: Duration = Duration::from_millis(1);

impl Plan {
    /// A world of any kind.
    pub(crate) fn random(seed: u64) -> Self {
        let mut dice = Dice::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let calm = dice.percent(30);
        let weather = weather(&mut dice, calm);
        let server = habits(&mut dice, true);
        let phone = habits(&mut dice, false);
        let alone = server.unattended == Unattended::Deposit;
        let most = affordable(&weather, [&server, &phone]);
        let phones = 1 + dice.below(3);
        let phones =
            (0..phones).map(|_| (0..=dice.below(3)).map(|_| errand(&mut dice, most, calm, alone)).collect()).collect();
        let mut blows = if calm { Vec::new() } else { blows(&mut dice) };
        let far = far(&mut Dice::new(seed.rotate_left(31)), calm, &mut blows);
        let mut bucket = pail(&mut Dice::new(!seed), calm);
        if let Some(pail) = bucket.as_mut().filter(|_| far.is_some()) {
            // A start reads the state of each object, too: in a bucket that fails oftener none would ever come to its end.
            pail.lapses = pail.lapses.min(10);
        }
        Self {
            seed,
            weather,
            server,
            phone,
            phones,
            blows,
            bug: None,
            bucket,
            far,
            remembers: Dice::new(seed.rotate_left(17)).percent(40),
        }
    }

    /// One phone deposits one small file in fair weather, and tries again if it has to.
    pub(crate) fn small_deposit() -> Self {
        let mut dice = Dice::new(42);
        let weather =
            Weather { latency: (MILLISECOND, 2 * MILLISECOND), loss: 0, doubles: 0, grain: 1500, window: 1 << 16 };
        let mut server = habits(&mut dice, true);
        server.unattended = Unattended::Hold;
        server.waits = true;
        server.disk = (MILLISECOND, 10 * MILLISECOND);
        server.msrp.report_every_octets = 2048;
        let mut phone = server.clone();
        phone.chunk = 2048;
        let deposit = Deposit {
            transport: Transport::Udp,
            content: content(&mut dice, 9000),
            declares: Declares::Truth,
            record: true,
            hang_up: None,
            retries: 2,
            path: dice.token(),
        };
        let phones = vec![vec![Errand::Deposit(deposit)]];
        let (blows, bug, bucket, far) = (Vec::new(), None, None, None);
        Self { seed: 42, weather, server, phone, phones, blows, bug, bucket, far, remembers: false }
    }

    /// As [`Plan::small_deposit`], and the phone retrieves the file; it hangs up one of the calls at that time.
    pub(crate) fn small_visit(deposit_ends: Option<Duration>, retrieve_ends: Option<Duration>) -> Self {
        let mut plan = Self::small_deposit();
        for errand in plan.phones.iter_mut().flatten() {
            if let Errand::Deposit(deposit) = errand {
                deposit.hang_up = deposit_ends;
            }
        }
        let retrieve = Retrieve { transport: Transport::Udp, hang_up: retrieve_ends };
        plan.phones[0].push(Errand::Retrieve(retrieve));
        plan
    }

    /// As [`Plan::small_deposit`], but nobody asks for the file: it is filed by itself.
    pub(crate) fn small_unattended_deposit() -> Self {
        let mut plan = Self::small_deposit();
        plan.server.unattended = Unattended::Deposit;
        for errand in plan.phones.iter_mut().flatten() {
            if let Errand::Deposit(deposit) = errand {
                deposit.record = false;
            }
        }
        plan
    }

    pub(crate) fn habits(&self, node: usize) -> Habits {
        match node {
            SERVER => self.server.clone(),
            far if far > self.phones.len() => Habits { unattended: Unattended::Deposit, ..self.phone.clone() },
            _ => self.phone.clone(),
        }
    }
}

fn far(dice: &mut Dice, calm: bool, blows: &mut Vec<(When, Blow)>) -> Option<u64> {
    let moods = dice.pick(&[None, None, Some(0), Some(30), Some(60)])?;
    if calm {
        return Some(0);
    }
    let soon = |dice: &mut Dice| When::After(dice.between((MILLISECOND, 8000 * MILLISECOND)));
    if dice.percent(40) {
        let blow = Blow::Part(dice.between((100 * MILLISECOND, 90_000 * MILLISECOND)));
        blows.push((soon(dice), blow));
    }
    for _ in 0..dice.below(3) {
        let crash = if dice.percent(50) { Crash::Power(dice.below(1000)) } else { Crash::Kill };
        blows.push((soon(dice), Blow::Far(crash)));
    }
    Some(moods)
}

fn pail(dice: &mut Dice, calm: bool) -> Option<Pail> {
    let report = dice.pick(&[None, None, Some(Report::Bucket), Some(Report::DiskThenBucket)])?;
    Some(Pail { report, lapses: if calm { 0 } else { dice.pick(&[0, 2, 10, 30]) } })
}

fn weather(dice: &mut Dice, calm: bool) -> Weather {
    let slowest = dice.pick(&[MILLISECOND, 20 * MILLISECOND, 200 * MILLISECOND]);
    Weather {
        latency: (MILLISECOND / 10, slowest),
        loss: if calm { dice.below(4) } else { dice.pick(&[0, 5, 15]) },
        doubles: dice.pick(&[0, 10, 30]),
        grain: dice.pick(&[3, 100, 1500, 1500, 20_000]),
        window: dice.pick(&[300, 5000, 1 << 16]),
    }
}

fn habits(dice: &mut Dice, server: bool) -> Habits {
    let alone = server && dice.percent(30);
    let fetch_octets = dice.pick(&[2048, 5000, 64 * 1024]);
    Habits {
        hold: Duration::from_secs(20),
        chunk: dice.pick(&[900, 2048, 2049, 10_000, 1 << 20]),
        unattended: if alone { Unattended::Deposit } else { Unattended::Hold },
        msrp: msrp::Config {
            fetch_octets,
            window_octets: dice.pick(&[3000, 30_000, 1 << 20]),
            unsent_octets: fetch_octets + dice.pick(&[1000, 1 << 18]),
            unwritten_octets: dice.pick(&[1, 3000, 1 << 18]),
            report_every_octets: dice.pick(&[700, 2048, 10_000, 1 << 24]),
            ..msrp::Config::default()
        },
        disk: (MILLISECOND / 20, dice.pick(&[MILLISECOND / 10, 5 * MILLISECOND, 40 * MILLISECOND])),
        waits: dice.percent(60),
    }
}

/// Octets that get through in a few seconds: a world in which everything runs into its timers would be a dull one.
fn affordable(weather: &Weather, sides: [&Habits; 2]) -> u64 {
    let slowest = |of: fn(&Habits) -> f64| sides.map(of).into_iter().fold(0.0, f64::max);
    let window = |side: &Habits| 1.0 / (side.msrp.window_octets.min(side.msrp.unsent_octets as u64) as f64);
    let round_trip = 2.0 * weather.latency.1.as_secs_f64();
    let on_the_way = round_trip * slowest(window).max(1.0 / weather.window as f64);
    // A segment is cut anywhere and makes a write or two, and each may want a sync.
    let on_disk = slowest(|side| side.disk.1.as_secs_f64()) * 4.0 / weather.grain as f64;
    (4.0 / (on_the_way + on_disk)).min(100_000.0) as u64
}

fn errand(dice: &mut Dice, most: u64, calm: bool, alone: bool) -> Errand {
    let transport = dice.pick(&[Transport::Udp, Transport::Udp, Transport::Tcp]);
    let hang_up = (!calm && dice.percent(15)).then(|| dice.between((MILLISECOND, 2000 * MILLISECOND)));
    if !alone && dice.percent(30) {
        return Errand::Retrieve(Retrieve { transport, hang_up });
    }
    let octets = if dice.percent(50) { dice.pick(&SIZES).min(most) } else { dice.below(most) };
    Errand::Deposit(Deposit {
        transport,
        content: content(dice, octets),
        declares: dice.pick(&[Declares::Nothing, Declares::Truth, Declares::Truth, Declares::Lie]),
        record: !alone,
        hang_up,
        retries: dice.below(3) as u32,
        path: dice.token(),
    })
}

fn blows(dice: &mut Dice) -> Vec<(When, Blow)> {
    let mut blows = Vec::new();
    if dice.percent(60) {
        let crash = if dice.percent(70) { Crash::Power(dice.below(1000)) } else { Crash::Kill };
        let when = if dice.percent(70) {
            When::Step(1 + dice.below(400))
        } else {
            When::After(dice.between((MILLISECOND, 5000 * MILLISECOND)))
        };
        blows.push((when, Blow::Crash(crash)));
    }
    for _ in 0..=dice.below(4) {
        let blow = if dice.percent(10) { Blow::Vanish } else { Blow::Reset };
        blows.push((When::After(dice.between((MILLISECOND, 4000 * MILLISECOND))), blow));
    }
    if dice.percent(25) {
        blows.push((When::After(dice.between((MILLISECOND, 5000 * MILLISECOND))), Blow::Drain));
    }
    let odd = dice.below(10);
    let blow = match odd {
        0 => Blow::Sync(dice.between((MILLISECOND, 20_000 * MILLISECOND))),
        1 => Blow::Freeze(dice.between((5000 * MILLISECOND, 120_000 * MILLISECOND))),
        2 => Blow::Clock(dice.pick(&[3600, -3600, TEN_YEARS_SECS, -TEN_YEARS_SECS])),
        _ => return blows,
    };
    blows.push((When::After(dice.between((MILLISECOND, 4000 * MILLISECOND))), blow));
    blows
}

/// Octets that differ everywhere, and from those of every other file.
fn content(dice: &mut Dice, octets: u64) -> Bytes {
    let mut state = dice.below(u64::MAX) | 1;
    let octet = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..octets).map(octet).collect::<Vec<u8>>().into()
}
