//! What a release is made to do for its golden spools. Time and chance are fixed, so the same release writes the same octets.

use std::path::Path;
use std::time::Duration;

use restante::model::{BoxClass, FileInfo, Party, Retention, Wall, Wrapper};
use restante::spool::{
    Caller, Change, Check, Committed, Delivery, EnvelopeDraft, Hold, Icon, Mark, Progress, Spool, StagePlan,
};

use super::disk::{now, opened};

/// One golden spool: its name under the release, and how it is made.
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    pub(crate) play: fn(&Path),
}

pub(crate) const SCENES: &[Scene] = &[
    Scene { name: "plain", play: plain },
    Scene { name: "encrypted", play: encrypted },
    Scene { name: "fates", play: fates },
    Scene { name: "deliveries", play: deliveries },
];

/// The resume key of stages that are broken off.
const KEY: &str = "sip:alice@example.org golden";

/// The file that arrives half, and its octets that are there.
const HALF: usize = 100_000;

fn octets(seed: u8, count: usize) -> Vec<u8> {
    (0..count).map(|at| (at as u8).wrapping_mul(31).wrapping_add(seed)).collect()
}

fn plan(name: &str) -> StagePlan {
    StagePlan { overwrite: true, ..StagePlan::new(name.parse().expect("a name")) }
}

fn everything_known() -> EnvelopeDraft {
    let text = |text: &str| Some(text.to_owned());
    EnvelopeDraft {
        from: text("sip:alice@example.org"),
        to: text("sip:bob@example.org"),
        call_id: text("call-1@example.org"),
        message_id: text("m-1"),
        file: FileInfo {
            name: text("Grüße.txt"),
            media_type: text("text/plain;charset=utf-8"),
            disposition: text("attachment"),
            created: text("Sun, 22 Nov 2026 22:00:00 +0000"),
            modified: text("Mon, 23 Nov 2026 01:00:00 +0100"),
            read: text("Mon, 23 Nov 2026 02:00:00 +0100"),
            transfer_id: text("ft-1"),
            ..FileInfo::default()
        },
        icon: Some(Icon { media_type: "image/png".to_owned(), octets: octets(3, 200) }),
        expires: Some(Wall::from_micros(1_895_000_000_000_000)),
        wrappers: Vec::new(),
        hops: None,
    }
}

fn deposit(spool: &Spool, name: &str, body: &[u8], draft: EnvelopeDraft) -> Committed {
    let mut stage = spool.stage(plan(name), now()).expect("a stage");
    stage.write(0, body).expect("octets");
    let sealed = stage.seal(body.len() as u64, &FileInfo::default()).expect("a whole file");
    spool.commit(sealed, draft, now()).expect("an object")
}

/// A file behind the wrapper it came in.
fn deposit_wrapped(spool: &Spool, name: &str) -> Committed {
    let head = b"From: <sip:erin@example.net>\r\n\r\nContent-Type: text/plain\r\n\r\n";
    let all = [head.as_slice(), b"what she wrote"].concat();
    let mut stage = spool.stage(plan(name), now()).expect("a stage");
    stage.write(0, &all).expect("octets");
    let sealed = stage.seal_content(head.len() as u64..all.len() as u64, &FileInfo::default()).expect("a whole file");
    let wrapper = Wrapper {
        from: Some(Party { name: Some("Erin".to_owned()), uri: "sip:erin@example.net".to_owned() }),
        to: vec![Party::new("sip:bob@example.org")],
        subject: Some("Rückruf".to_owned()),
        ..Wrapper::default()
    };
    let draft = EnvelopeDraft { wrappers: vec![wrapper], ..EnvelopeDraft::default() };
    spool.commit(sealed, draft, now()).expect("an object")
}

fn half() -> StagePlan {
    let declared = FileInfo { size: Some(2 * HALF as u64), ..FileInfo::default() };
    StagePlan { resume_key: Some(KEY.to_owned()), declared, ..plan("spool:/bob/half") }
}

/// Objects of every shape, a replacement, a deletion, damage, and a file that was broken off.
fn plain(dir: &Path) {
    everything(&opened(dir), dir);
}

/// The same under a key.
fn encrypted(dir: &Path) {
    let spool = opened(dir);
    spool.set_classes(vec![BoxClass {
        matches: "*".parse().expect("a pattern"),
        encrypt: true,
        ..BoxClass::default()
    }]);
    everything(&spool, dir);
}

/// Everything that can become of an object while it is there.
fn fates(dir: &Path) {
    let spool = opened(dir);
    let keep = Retention { undelete: Duration::from_secs(3600), ..Retention::default() };
    spool.set_classes(vec![BoxClass { matches: "*".parse().expect("a pattern"), keep, ..BoxClass::default() }]);
    let all: [(&str, &[Change]); 7] = [
        ("seen", &[Change::Mark(Mark::Seen)]),
        ("saved", &[Change::Mark(Mark::Seen), Change::Mark(Mark::Saved), Change::Urgent(true)]),
        ("held", &[Change::Hold(Hold::Operator)]),
        ("legal", &[Change::Hold(Hold::Legal)]),
        ("deleted", &[Change::Delete]),
        ("expired", &[Change::Expire]),
        ("ended", &[Change::Mark(Mark::Seen), Change::Purge]),
    ];
    for (name, changes) in all {
        let object = deposit(&spool, &format!("spool:/bob/{name}"), name.as_bytes(), EnvelopeDraft::default());
        for change in changes {
            spool.change(&object, *change, "sip:bob@example.org", now()).expect("a change");
        }
    }
}

/// Everything that can be known of a delivery.
fn deliveries(dir: &Path) {
    let spool = opened(dir);
    let object = deposit(&spool, "spool:/bob/monday", b"hello Bob", EnvelopeDraft::default());
    let id = |number: u8| format!("01M7Q5CQG0000000000000000{number}");
    let new = |number: u8, caller| Delivery {
        id: id(number),
        object: object.envelope().id.clone(),
        uri: object.envelope().uri.to_string(),
        to: format!("sip:user{number}@example.org"),
        caller,
        created: now().wall,
        next: now().wall,
        changed: now().wall,
        expires: now().wall.after(Duration::from_secs(86_400)),
        ..Delivery::default()
    };
    let settled = [Progress::Delivered, Progress::Failed, Progress::Expired, Progress::Cancelled];
    for (number, progress) in (1..).zip([Progress::Waiting, Progress::Trying].into_iter().chain(settled)) {
        let delivery = new(number, if number == 1 { Caller::As } else { Caller::Uac });
        spool.deliver(&delivery, now()).expect("a delivery");
        let told = vec![("name".to_owned(), "Grüße.wav".to_owned())];
        let dialog = Some("conn:golden/dialog:d".to_owned());
        let (attempts, reason) = (number.into(), progress.word().to_owned());
        let known =
            Delivery { most: Some(9), backoff: Some(600), unreported: true, reported: 5, dialog, told, ..delivery };
        spool.deliver(&Delivery { progress, attempts, token: 7, reason, ..known }, now()).expect("a change");
    }
    spool.change(&object, Change::Mark(Mark::Seen), "sip:bob@example.org", now()).expect("a change");
}

fn everything(spool: &Spool, dir: &Path) {
    deposit(spool, "spool:/bob/empty", b"", EnvelopeDraft::default());
    deposit(spool, "spool:/bob/", &octets(1, 70_000), everything_known());
    deposit_wrapped(spool, "spool:/bob/wrapped");
    deposit(spool, "spool:/alice/twice", b"the first", EnvelopeDraft::default());
    deposit(spool, "spool:/alice/twice", b"the second", everything_known());
    let gone = deposit(spool, "spool:/alice/gone", b"not wanted", EnvelopeDraft::default());
    spool.delete(&gone, "sip:alice@example.org", now()).expect("a deletion");
    damage(spool, dir);
    let mut stage = spool.stage(half(), now()).expect("a stage");
    stage.write(0, &octets(9, HALF)).expect("octets");
    stage.suspend().expect("a durable stage");
}

/// An object whose body has lost a bit, found and set aside.
fn damage(spool: &Spool, dir: &Path) {
    let object = deposit(spool, "spool:/alice/rotten", b"a flipped bit", EnvelopeDraft::default());
    let body = dir.join(object.body_path());
    let mut octets = std::fs::read(&body).expect("a body");
    octets[0] ^= 1;
    std::fs::write(body, octets).expect("damage");
    assert!(matches!(spool.verify(&object.envelope().id).expect("an answer"), Check::Damaged { .. }));
}

/// Goes on with the file that was broken off, if the spool has it; says how many files that were.
pub(crate) fn resume(spool: &Spool) -> usize {
    if spool.stages().expect("stages").is_empty() {
        return 0;
    }
    let whole = octets(9, 2 * HALF);
    let mut stage = spool.stage(half(), now()).expect("a stage");
    let there = stage.received().prefix() as usize;
    assert!(there > 0, "what was durable is still there");
    stage.write(there as u64, &whole[there..]).expect("the rest");
    let sealed = stage.seal(whole.len() as u64, &FileInfo::default()).expect("a whole file");
    let object = spool.commit(sealed, EnvelopeDraft::default(), now()).expect("an object");
    assert_eq!(spool.verify(&object.envelope().id).expect("an answer"), Check::Sound);
    let mut kept = vec![0; whole.len()];
    assert_eq!(spool.read(&object).expect("a body").read_at(0, &mut kept).expect("octets"), whole.len());
    assert!(kept == whole, "the octets before and after the restart are one file");
    1
}
