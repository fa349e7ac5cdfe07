//! A disk in memory that forgets what was not synced, fails when told to, and loses power when told to.
#![allow(dead_code, reason = "each test crate that borrows this module uses its own part of it")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use restante::model::Mint;
use restante::spool::{File, Files, Lock, Mode, Space};

/// A drive writes sectors whole; a power cut falls between two of them.
const SECTOR_OCTETS: usize = 512;

/// What lay on the disk before.
const STALE: u8 = 0xA5;

/// What happens instead of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// EIO. A sync that fails so loses what was written since the last one, and no later sync brings it back.
    Eio,
    /// EIO of one file: its sector can't be read any more.
    Sector,
    /// ENOSPC.
    Enospc,
    /// The power is off from this call on.
    Crash,
    /// Nothing at all, and success is claimed: a planted bug, as if the code had left the call out.
    Skip,
}

/// One simulated disk. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct SimFiles {
    disk: Arc<Mutex<Disk>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    Dir,
    File(usize),
}

/// A change of names that no directory sync has made durable.
#[derive(Clone, Debug)]
enum Change {
    Link(String, Entry),
    /// As the journals of ext4, xfs and btrfs have it: both names change or neither.
    Rename(String, String, Entry),
    Unlink(String),
}

#[derive(Clone, Default)]
struct Inode {
    live: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<(usize, Vec<u8>)>,
    /// Room that it holds beyond its octets.
    reserved: u64,
    /// A sync of everything has lost something of this file; the next sync of the file says so.
    lost: Option<Fault>,
}

#[derive(Clone, Default)]
struct Disk {
    live: BTreeMap<String, Entry>,
    durable: BTreeMap<String, Entry>,
    pending: Vec<Change>,
    inodes: Vec<Inode>,
    capacity: Option<u64>,
    names: Option<u64>,
    calls: Vec<String>,
    faults: HashMap<usize, Fault>,
    lasting: HashMap<&'static str, Fault>,
    fails_sync: bool,
    off: bool,
    locked: bool,
    /// It can't sync everything at once.
    one_by_one: bool,
}

impl SimFiles {
    /// An empty disk.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// An empty disk on which files and directories are synced one by one.
    pub(crate) fn one_by_one() -> Self {
        Self::of(Disk { one_by_one: true, ..Disk::default() })
    }

    /// The calls so far, each as `NAME PATH`. The next one has the number `calls().len()`.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.disk().calls.clone()
    }

    /// Lets call number `at`, counted from zero, meet with a fault.
    pub(crate) fn inject(&self, at: usize, fault: Fault) {
        self.disk().faults.insert(at, fault);
    }

    /// Lets the next sync, of whatever it is, fail and lose what it should have kept.
    pub(crate) fn fail_next_sync(&self) {
        self.disk().fails_sync = true;
    }

    /// Lets every call of this name meet with a fault, until the disk is healed.
    pub(crate) fn inject_lasting(&self, call: &'static str, fault: Fault) {
        self.disk().lasting.insert(call, fault);
    }

    /// From now on nothing fails.
    pub(crate) fn heal(&self) {
        let mut disk = self.disk();
        disk.lasting.clear();
        disk.faults.clear();
    }

    /// Room for this many octets in all.
    pub(crate) fn set_capacity(&self, octets: u64) {
        self.disk().capacity = Some(octets);
    }

    /// Room for this many files in all.
    pub(crate) fn set_names(&self, names: u64) {
        self.disk().names = Some(names);
    }

    /// How many octets are in use.
    pub(crate) fn used(&self) -> u64 {
        self.disk().space().used_octets
    }

    /// Every file there is.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.disk().live.iter().filter(|(_, entry)| **entry != Entry::Dir).map(|(path, _)| path.clone()).collect()
    }

    /// Every directory there is.
    pub(crate) fn dirs(&self) -> Vec<String> {
        self.disk().live.iter().filter(|(_, entry)| **entry == Entry::Dir).map(|(path, _)| path.clone()).collect()
    }

    /// The octets of a file.
    pub(crate) fn octets(&self, path: &str) -> Vec<u8> {
        let disk = self.disk();
        disk.inodes[disk.inode(path).expect("a file of this name")].live.clone()
    }

    /// Replaces the octets of a file behind everybody's back, durably.
    pub(crate) fn overwrite(&self, path: &str, octets: &[u8]) {
        let mut disk = self.disk();
        let inode = disk.inode(path).unwrap_or_else(|_| {
            disk.inodes.push(Inode::default());
            let inode = disk.inodes.len() - 1;
            disk.live.insert(path.to_owned(), Entry::File(inode));
            disk.durable.insert(path.to_owned(), Entry::File(inode));
            inode
        });
        disk.inodes[inode] = Inode { live: octets.to_vec(), durable: octets.to_vec(), ..Inode::default() };
    }

    /// Removes a file behind everybody's back, durably.
    pub(crate) fn lose(&self, path: &str) {
        let mut disk = self.disk();
        disk.live.remove(path);
        disk.durable.remove(path);
    }

    /// The disk after `kill -9`: the process is gone, the page cache is not.
    pub(crate) fn kill(&self) -> Self {
        let disk = self.disk();
        Self::of(Disk {
            calls: Vec::new(),
            faults: HashMap::new(),
            lasting: HashMap::new(),
            fails_sync: false,
            off: false,
            locked: false,
            ..disk.clone()
        })
    }

    /// The disk after a power cut. What was not synced is there, not there, or torn, as the seed has it.
    pub(crate) fn crash(&self, seed: u64) -> Self {
        let mut mint = Mint::from_number(seed);
        let disk = self.disk();
        let mut names = disk.durable.clone();
        for change in &disk.pending {
            if mint.octet().is_multiple_of(2) {
                change.apply(&mut names);
            }
        }
        let whole = names.clone();
        names.retain(|path, _| parent(path).is_empty() || whole.contains_key(parent(path)));
        let inodes = disk.inodes.iter().map(|inode| inode.after_crash(&mut mint)).collect();
        Self::of(Disk {
            live: names.clone(),
            durable: names,
            inodes,
            capacity: disk.capacity,
            one_by_one: disk.one_by_one,
            ..Disk::default()
        })
    }

    fn of(disk: Disk) -> Self {
        Self { disk: Arc::new(Mutex::new(disk)) }
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().expect("no test panics inside the disk")
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, Entry>) {
        match self {
            Self::Link(path, entry) => drop(names.insert(path.clone(), *entry)),
            Self::Unlink(path) => drop(names.remove(path)),
            Self::Rename(from, to, entry) => {
                names.remove(from);
                names.insert(to.clone(), *entry);
            }
        }
    }

    fn names(&self, path: &str) -> bool {
        match self {
            Self::Link(name, _) | Self::Unlink(name) => name == path,
            Self::Rename(from, to, _) => from == path || to == path,
        }
    }

    fn is_in(&self, dir: &str) -> bool {
        match self {
            Self::Link(path, _) | Self::Unlink(path) => parent(path) == dir,
            Self::Rename(from, to, _) => parent(from) == dir || parent(to) == dir,
        }
    }
}

impl Inode {
    fn write(octets: &mut Vec<u8>, at: usize, piece: &[u8]) {
        octets.resize(octets.len().max(at + piece.len()), 0);
        octets[at..at + piece.len()].copy_from_slice(piece);
    }

    /// How much of the disk it takes.
    fn room(&self) -> u64 {
        self.reserved.max(self.live.len() as u64)
    }

    fn sync(&mut self) {
        for (at, octets) in self.unsynced.drain(..) {
            Self::write(&mut self.durable, at, &octets);
        }
    }

    fn after_crash(&self, mint: &mut Mint) -> Self {
        let mut octets = self.durable.clone();
        for (at, write) in &self.unsynced {
            let fate = mint.octet() % 6; // none, all, sector by sector, or the new length alone
            if fate > 3 {
                // What a file system shows that writes down a length before the octets: zeros, or what lay there before.
                let stale = if fate == 4 { 0 } else { STALE };
                octets.resize(octets.len().max(at + write.len()), stale);
                continue;
            }
            for (index, sector) in write.chunks(SECTOR_OCTETS).enumerate() {
                if fate == 1 || (fate > 1 && mint.octet().is_multiple_of(2)) {
                    Self::write(&mut octets, at + index * SECTOR_OCTETS, sector);
                }
            }
        }
        Self { live: octets.clone(), durable: octets, ..Self::default() }
    }
}

impl Disk {
    /// Counts a call and lets the fault that waits for it happen.
    fn step(&mut self, call: &str, path: &str) -> io::Result<Option<Fault>> {
        let lasting = self.lasting.get(call).copied();
        let mut fault = self.faults.get(&self.calls.len()).copied().or(lasting);
        if fault.is_none() && call.starts_with("sync") && std::mem::take(&mut self.fails_sync) {
            fault = Some(Fault::Eio);
        }
        self.calls.push(format!("{call} {path}"));
        if self.off || fault == Some(Fault::Crash) {
            self.off = true;
            return Err(io::Error::other("the power is off"));
        }
        Ok(fault)
    }

    /// A call that a fault keeps from having any effect.
    fn plain(&mut self, call: &str, path: &str) -> io::Result<bool> {
        match self.step(call, path)? {
            Some(Fault::Skip) => Ok(false),
            Some(fault) => Err(fault.error()),
            None => Ok(true),
        }
    }

    fn inode(&self, path: &str) -> io::Result<usize> {
        match self.live.get(path) {
            Some(Entry::File(inode)) => Ok(*inode),
            Some(Entry::Dir) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.live);
        self.pending.push(change);
    }

    fn sync_dir(&mut self, dir: &str) {
        let (settled, pending): (Vec<_>, Vec<_>) = self.pending.drain(..).partition(|change| change.is_in(dir));
        self.pending = pending;
        for change in settled {
            change.apply(&mut self.durable);
            if let Change::Rename(from, ..) = &change {
                self.pending.retain(|earlier| !earlier.names(from));
            }
        }
    }

    fn sync_all(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            change.apply(&mut self.durable);
        }
        self.inodes.iter_mut().for_each(Inode::sync);
    }

    fn space(&self) -> Space {
        let entries = self.live.values().filter_map(|entry| match entry {
            Entry::File(inode) => Some(*inode),
            Entry::Dir => None,
        });
        let inodes: BTreeSet<usize> = entries.collect();
        let used_octets = inodes.iter().map(|inode| self.inodes[*inode].room()).sum();
        Space {
            used_octets,
            free_octets: self.capacity.unwrap_or(1 << 40).saturating_sub(used_octets),
            used_names: inodes.len() as u64,
            free_names: self.names.unwrap_or(1 << 30).saturating_sub(inodes.len() as u64),
        }
    }
}

impl Fault {
    fn error(self) -> io::Error {
        match self {
            Self::Enospc => io::ErrorKind::StorageFull.into(),
            Self::Sector => io::Error::from_raw_os_error(5),
            _ => io::Error::other("EIO"),
        }
    }
}

impl Files for SimFiles {
    fn create_dir(&self, dir: &str) -> io::Result<()> {
        let mut disk = self.disk();
        if disk.plain("create_dir", dir)? && !disk.live.contains_key(dir) {
            disk.change(Change::Link(dir.to_owned(), Entry::Dir));
        }
        Ok(())
    }

    fn open(&self, path: &str, mode: Mode) -> io::Result<Box<dyn File>> {
        let mut disk = self.disk();
        disk.plain("open", path)?;
        let inode = match (disk.inode(path), mode) {
            (Ok(_), Mode::Create) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Err(error), Mode::Write | Mode::Read) => return Err(error),
            (Ok(inode), _) => inode,
            (Err(_), Mode::Create) if disk.space().free_names == 0 => return Err(io::ErrorKind::StorageFull.into()),
            (Err(_), Mode::Create) => {
                disk.inodes.push(Inode::default());
                let inode = disk.inodes.len() - 1;
                disk.change(Change::Link(path.to_owned(), Entry::File(inode)));
                inode
            }
        };
        Ok(Box::new(SimFile { files: self.clone(), inode, path: path.to_owned() }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut disk = self.disk();
        if disk.plain("rename", from)? {
            let entry = Entry::File(disk.inode(from)?);
            disk.change(Change::Rename(from.to_owned(), to.to_owned(), entry));
        }
        Ok(())
    }

    fn link(&self, from: &str, to: &str) -> io::Result<()> {
        let mut disk = self.disk();
        if disk.plain("link", from)? {
            let entry = Entry::File(disk.inode(from)?);
            disk.change(Change::Link(to.to_owned(), entry));
        }
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let mut disk = self.disk();
        if disk.plain("remove", path)? {
            disk.inode(path)?;
            disk.change(Change::Unlink(path.to_owned()));
        }
        Ok(())
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let mut disk = self.disk();
        disk.plain("list", dir)?;
        if !dir.is_empty() && !disk.live.contains_key(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let names = disk.live.keys().filter(|path| parent(path) == dir);
        Ok(names.map(|path| path.rsplit('/').next().unwrap_or_default().to_owned()).collect())
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        let mut disk = self.disk();
        if disk.plain("sync_dir", dir)? {
            disk.sync_dir(dir);
        }
        Ok(())
    }

    fn sync_all(&self, _syncs: usize) -> io::Result<bool> {
        let mut disk = self.disk();
        if disk.one_by_one {
            return Ok(false);
        }
        match disk.step("sync_all", "")? {
            None => disk.sync_all(),
            Some(Fault::Skip) => {}
            Some(fault) => {
                for inode in disk.inodes.iter_mut().filter(|inode| !inode.unsynced.is_empty()) {
                    inode.unsynced.clear(); // as for one file
                    inode.lost = Some(fault);
                }
                return Err(fault.error());
            }
        }
        Ok(true)
    }

    fn space(&self) -> io::Result<Space> {
        let mut disk = self.disk();
        disk.plain("space", "")?;
        Ok(disk.space())
    }

    fn may_write(&self, dir: &str) -> io::Result<()> {
        self.disk().plain("may_write", dir).map(drop)
    }

    fn lock(&self, path: &str) -> io::Result<Box<dyn Lock>> {
        let mut disk = self.disk();
        disk.plain("lock", path)?;
        if std::mem::replace(&mut disk.locked, true) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(SimLock(self.clone())))
    }
}

struct SimLock(SimFiles);

impl Lock for SimLock {
    fn is_in_place(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.0.disk().locked = false;
    }
}

struct SimFile {
    files: SimFiles,
    inode: usize,
    path: String,
}

impl File for SimFile {
    fn write_at(&self, octets: &[u8], offset: u64) -> io::Result<()> {
        let mut disk = self.files.disk();
        let fault = disk.step("write", &self.path)?;
        let grown = (offset + octets.len() as u64).saturating_sub(disk.inodes[self.inode].room());
        let fault = if grown > disk.space().free_octets { Some(Fault::Enospc) } else { fault };
        let written = match fault {
            None => octets,
            Some(Fault::Skip) => &[],
            Some(_) => &octets[..octets.len() / 2], // a short write, and then the error
        };
        let (at, inode) = (offset as usize, &mut disk.inodes[self.inode]);
        Inode::write(&mut inode.live, at, written);
        inode.unsynced.push((at, written.to_vec()));
        match fault {
            None | Some(Fault::Skip) => Ok(()),
            Some(fault) => Err(fault.error()),
        }
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut disk = self.files.disk();
        disk.plain("read", &self.path)?;
        let octets = &disk.inodes[self.inode].live;
        let from = octets.len().min(offset as usize);
        let read = buffer.len().min(octets.len() - from);
        buffer[..read].copy_from_slice(&octets[from..from + read]);
        Ok(read)
    }

    fn sync(&self) -> io::Result<()> {
        let mut disk = self.files.disk();
        let fault = disk.step("sync", &self.path)?;
        match fault.or_else(|| disk.inodes[self.inode].lost.take()) {
            None => disk.inodes[self.inode].sync(),
            Some(Fault::Skip) => {}
            Some(fault) => {
                disk.inodes[self.inode].unsynced.clear(); // the kernel has marked the pages clean
                return Err(fault.error());
            }
        }
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        let mut disk = self.files.disk();
        disk.plain("size", &self.path)?;
        Ok(disk.inodes[self.inode].live.len() as u64)
    }

    fn reserve(&self, octets: u64) -> io::Result<()> {
        let mut disk = self.files.disk();
        disk.plain("reserve", &self.path)?;
        if octets.saturating_sub(disk.inodes[self.inode].room()) > disk.space().free_octets {
            return Err(io::ErrorKind::StorageFull.into());
        }
        disk.inodes[self.inode].reserved = octets;
        Ok(())
    }

    fn release(&self) -> io::Result<()> {
        let mut disk = self.files.disk();
        disk.plain("release", &self.path)?;
        disk.inodes[self.inode].reserved = 0;
        Ok(())
    }
}
