//! A node of our own with an object to hand on.

use std::path::Path;

use restante::config::{Settings, Sources};
use restante::engine::Attempt;
use restante::io::node::{Node, Options};
use restante::model::{Ending, FileInfo, ObjectUri};
use restante::spool::{EnvelopeDraft, StagePlan};
use tempfile::TempDir;

pub(crate) struct House {
    pub(crate) node: Node,
    _dir: TempDir,
}

/// As large as several chunks.
pub(crate) fn octets() -> Vec<u8> {
    (0..300_000u32).map(|number| (number % 251) as u8).collect()
}

impl House {
    /// One with these settings, in the form of a file.
    pub(crate) async fn new(dir: TempDir, more: &str) -> Self {
        let text = format!(
            "[spool]\npath = \"{}/spool\"\nreserve = 0\nhigh_water = \"100%\"\nlow_water = \"100%\"\n\
             [msrp]\nlisten = [\"tcp:127.0.0.1:0\"]\n[policy]\nforward = [\"*\"]\n{more}",
            dir.path().display()
        );
        let sources = Sources { file: Some(("test.toml".to_owned(), text)), ..Sources::default() };
        let settings = Settings::load(&sources).expect("settings");
        let node = Node::start(&settings, Options::default()).await.expect("a node");
        Self { node, _dir: dir }
    }

    /// Puts an object into the spool and makes one attempt to hand it on.
    pub(crate) async fn deliver(&self, to: &str) -> Ending {
        self.deliver_as("message.bin", to).await
    }

    /// The same with a name of the file.
    pub(crate) async fn deliver_as(&self, name: &str, to: &str) -> Ending {
        let object = tokio::task::block_in_place(|| {
            let uri: ObjectUri = "spool:/alice/".parse().expect("a name");
            let now = self.node.clock().now();
            let mut stage = self.node.spool().stage(StagePlan::new(uri), now).expect("a stage");
            let octets = octets();
            stage.write(0, &octets).expect("room");
            let sealed = stage.seal(octets.len() as u64, &FileInfo::default()).expect("a whole file");
            let file = FileInfo { name: Some(name.to_owned()), ..FileInfo::default() };
            let draft = EnvelopeDraft { file, ..EnvelopeDraft::default() };
            self.node.spool().commit(sealed, draft, now).expect("a commit").envelope().id.clone()
        });
        let delivery = format!("D{}", &object[1..]);
        let attempt = Attempt { delivery, token: 1, object, to: to.to_owned(), ..Attempt::default() };
        self.node.attempt(attempt).await.expect("an end")
    }
}

/// Whether the file came whole.
pub(crate) fn came(dir: &Path) -> bool {
    std::fs::read(dir.join("message.bin")).is_ok_and(|found| found == octets())
}
