//! An ext4 disk in a file, which can lose its power.

use std::path::{Path, PathBuf};

use super::apart::{apart, path, sh};
use super::missing;

/// `EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`: from now on nothing reaches the disk, and what has not yet, the
/// journal included, never will. The page cache goes with the last unmount.
const CUT: &str =
    "import fcntl, os, sys\nfcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, (2).to_bytes(4, 'little'))";

/// Size of a disk in octets: ext4 has a journal from 8 MiB on.
const OCTETS: u64 = 256 << 20;

/// A directory with a disk that is mounted at `spool` in it.
pub(crate) struct Disk {
    dir: PathBuf,
}

/// Tells a test in a mount name space of its own, with a fresh disk. It takes root, for nobody else may have loop devices;
/// without, the test is left, and in CI that is a failure.
pub(crate) fn loop_disk(story: impl FnOnce(Disk)) {
    if !rustix::process::geteuid().is_root() {
        assert!(std::env::var_os("CI").is_none(), "only root can mount a disk");
        return eprintln!("skipped: only root can mount a disk");
    }
    if missing("mkfs.ext4") || missing("python3") {
        return;
    }
    apart(|dir| {
        let disk = Disk { dir: dir.to_owned() };
        let image = std::fs::File::create(disk.image()).expect("a file");
        image.set_len(OCTETS).expect("a file with a hole");
        sh("mkfs.ext4", &["-q", "-F", path(&disk.image())]);
        std::fs::create_dir(disk.root()).expect("a directory");
        story(disk);
    });
}

impl Disk {
    /// Where the disk is mounted at `spool`.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where it is mounted.
    pub(crate) fn root(&self) -> PathBuf {
        self.dir.join("spool")
    }

    fn image(&self) -> PathBuf {
        self.dir.join("image")
    }

    pub(crate) fn mount(&self, options: &str) {
        sh("mount", &["-o", &format!("loop,{options}"), path(&self.image()), path(&self.root())]);
    }

    /// Nobody may use it any more.
    pub(crate) fn unmount(&self) {
        sh("umount", &[path(&self.root())]);
    }

    /// Cuts the power, while everybody writes.
    pub(crate) fn cut(&self) {
        sh("python3", &["-c", CUT, path(&self.root())]);
    }

    /// Makes ext4 believe that it has found itself damaged.
    pub(crate) fn find_damage(&self) {
        let device = sh("findmnt", &["--noheadings", "--output", "SOURCE", "--target", path(&self.root())]);
        let name = device.trim().rsplit('/').next().expect("a device").to_owned();
        std::fs::write(format!("/sys/fs/ext4/{name}/trigger_fs_error"), "on purpose").expect("ext4 has such a switch");
    }
}
