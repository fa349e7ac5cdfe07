//! Two owners that do anything at any time, in a storm, with connections cut: the room's promises hold all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::network::{STORM, Who, World, address};
use crate::model::{Machine as _, Mint};
use crate::sip::{Body, CallKey, Command, Event, Place, RequestKey, Transport};

/// What one owner knows.
#[derive(Debug, Default)]
struct Owner {
    live: BTreeSet<CallKey>,
    ended: BTreeMap<CallKey, u32>,
    /// Calls whose INVITE or re-INVITE waits for us.
    asked: BTreeSet<CallKey>,
    infos: Vec<RequestKey>,
    tokens: BTreeSet<u64>,
    answered: u64,
}

impl Owner {
    fn take(&mut self, event: Event) {
        let call = match &event {
            Event::Invited { call, .. } => {
                assert!(self.live.insert(*call), "a key comes twice");
                *call
            }
            Event::Reinvited { call, .. } | Event::Acked { call, .. } | Event::Cancelled { call } => *call,
            Event::Updated { call, .. } | Event::RefreshDue { call } => *call,
            Event::Info { call, .. } | Event::Bye { call, .. } | Event::Answered { call, .. } => *call,
            Event::Progress { call, .. } | Event::Refused { call, .. } | Event::ReinviteAnswered { call, .. } => *call,
            Event::ReinviteRefused { call, .. } | Event::InfoAnswered { call, .. } | Event::Ended { call, .. } => *call,
            Event::Options { .. }
            | Event::OptionsAnswered { .. }
            | Event::MessageAnswered { .. }
            | Event::Subscribed { .. }
            | Event::Unsubscribed { .. } => panic!("nobody asked"),
        };
        assert!(self.live.contains(&call), "{call:?} is over, but: {event:?}");
        match event {
            Event::Invited { .. } | Event::Reinvited { .. } => drop(self.asked.insert(call)),
            Event::Cancelled { .. } => drop(self.asked.remove(&call)),
            Event::Info { request, .. } | Event::Updated { request, .. } => self.infos.push(request),
            Event::InfoAnswered { token, .. } => {
                assert!(self.tokens.remove(&token), "{token} is answered twice");
                self.answered += 1;
            }
            Event::Ended { .. } => {
                self.live.remove(&call);
                self.asked.remove(&call);
                *self.ended.entry(call).or_default() += 1;
            }
            _ => {}
        }
    }

    fn any(&self, mint: &mut Mint) -> Option<CallKey> {
        let at = mint.number() as usize % self.live.len().max(1);
        self.live.iter().nth(at).copied()
    }
}

fn sdp() -> Body {
    Body::new("application/sdp", "v=0")
}

fn invite(call: CallKey, mint: &mut Mint) -> Command {
    let transport = if mint.number().is_multiple_of(2) { Transport::Udp } else { Transport::Tcp };
    Command::Invite {
        call,
        target: "sip:box@192.0.2.2".to_owned(),
        from: "sip:alice@example.org".to_owned(),
        to: "sip:box@example.net".to_owned(),
        route: None,
        places: vec![Place { transport, remote: address(Who::Bob) }],
        body: (!mint.number().is_multiple_of(4)).then(sdp),
        headers: Vec::new(),
    }
}

/// Something an owner might want at any moment.
fn whim(owner: &mut Owner, who: Who, number: u64, mint: &mut Mint) -> Option<Command> {
    let call = owner.any(mint);
    Some(match (mint.number() % 16, call) {
        (0..=1, _) if who == Who::Alice => {
            owner.live.insert(CallKey(number));
            invite(CallKey(number), mint)
        }
        (2..=4, Some(call)) => {
            owner.tokens.insert(number);
            Command::Info { call, token: number, body: Body::new("application/msml+xml", "<msml/>") }
        }
        (5, Some(call)) => Command::Reinvite { call, body: sdp() },
        (6, Some(call)) => Command::Bye { call, body: None, reason: None },
        (7, Some(call)) => Command::Cancel { call },
        (8, Some(call)) => Command::Ring { call },
        (9, Some(call)) => Command::Ack { call, body: Some(sdp()) },
        (10, Some(call)) => {
            owner.asked.remove(&call);
            Command::Refuse { call, status: 486, reason: None, retry_after: None, warning: None }
        }
        (11..=12, _) => {
            let request = owner.infos.pop()?;
            Command::Answer { request, status: 200, reason: None, body: None, headers: Vec::new() }
        }
        _ => Command::Accept { call: owner.asked.pop_first()?, body: Some(sdp()) },
    })
}

fn settle(world: &mut World, owners: &mut [Owner; 2], time: Duration) {
    world.pass(time);
    for (owner, side) in owners.iter_mut().zip(&mut world.sides) {
        std::mem::take(&mut side.events).into_iter().for_each(|event| owner.take(event));
    }
}

#[test]
fn every_call_ends_once_and_every_info_is_answered_once_whatever_happens() {
    let (mut calls, mut infos, mut copies) = (0, 0, 0);
    for seed in 0..150 {
        let mut world = World::new(seed, STORM);
        let mut mint = Mint::from_number(seed + 1_000_000);
        let mut owners = [Owner::default(), Owner::default()];
        for number in 0..120 {
            let who = if mint.number().is_multiple_of(2) { Who::Alice } else { Who::Bob };
            if let Some(command) = whim(&mut owners[who as usize], who, number, &mut mint) {
                world.command(who, command);
            }
            if mint.number().is_multiple_of(12) {
                world.cut();
            }
            let pause = Duration::from_millis(mint.number() % 1500);
            settle(&mut world, &mut owners, pause);
        }
        for _ in 0..3 {
            for who in [Who::Alice, Who::Bob] {
                let calls: Vec<CallKey> = owners[who as usize].live.iter().copied().collect();
                for call in calls {
                    world.command(who, Command::Bye { call, body: None, reason: None });
                }
            }
            settle(&mut world, &mut owners, Duration::from_secs(300));
        }
        for (owner, side) in owners.iter().zip(&world.sides) {
            assert!(owner.live.is_empty() && owner.tokens.is_empty(), "seed {seed}: {owner:?}");
            assert!(owner.ended.values().all(|times| *times == 1), "seed {seed}: {owner:?}");
            let left = (side.endpoint.calls(), side.endpoint.transactions(), side.endpoint.deadline());
            assert_eq!(left, (0, 0, None), "seed {seed}");
            calls += owner.ended.len();
            infos += owner.answered;
            copies += side.sent.len() - side.sent.iter().collect::<BTreeSet<_>>().len();
        }
    }
    // The storm has to be one, or the test shows nothing.
    assert!(calls > 1000 && infos > 2000 && copies > 5000, "{calls} calls, {infos} INFOs, {copies} copies");
}
