//! The directories of a spool: recognised where they are, made where they are missing.

use std::io;

use super::error::SpoolError;
use super::files::{Files, read_small};
use super::layout::{
    BALLAST_FILE, DATA, DIRECTORIES, INDEX_FILES, LETTERS, LOCK_FILE, QUEUED, VERSION, VERSION_DRAFT, VERSION_FILE,
    shard, version_line,
};
use super::shared::Shared;

/// Makes what is missing of the tree; in a new spool that is everything, and the version comes last: a directory
/// without it is not a spool yet.
///
/// # Errors
/// [`SpoolError::NotASpool`], [`SpoolError::Version`] and [`SpoolError::Io`].
pub(super) fn prepare(shared: &Shared) -> Result<(), SpoolError> {
    let files = shared.files.as_ref();
    let is_new = !recognise(files)?;
    let make = || {
        DIRECTORIES.iter().try_for_each(|dir| files.create_dir(dir))?;
        LETTERS.iter().try_for_each(|letter| files.create_dir(&shard(*letter)))?;
        shared.sync_dir(DATA)?;
        shared.sync_dir("")?;
        if is_new {
            shared.remove_quietly(VERSION_DRAFT);
            shared.write_small(VERSION_DRAFT, version_line().as_bytes())?;
            files.rename(VERSION_DRAFT, VERSION_FILE)?;
            shared.sync_dir("")?;
        }
        Ok(())
    };
    make().map_err(SpoolError::io("making the directories of the spool"))
}

/// Whether this is a spool of ours; if it is not, whether it may become one. Changes nothing.
///
/// # Errors
/// [`SpoolError::Version`] if it is another release's; [`SpoolError::NotASpool`] if it is something else;
/// [`SpoolError::Io`].
pub(super) fn recognise(files: &dyn Files) -> Result<bool, SpoolError> {
    match read_small(files, VERSION_FILE, 256) {
        Ok(octets) if octets == version_line().into_bytes() => return Ok(true),
        Ok(octets) => {
            let found = String::from_utf8_lossy(&octets).trim().to_owned();
            return Err(SpoolError::Version { found, known: VERSION });
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(SpoolError::io("reading VERSION")(error)),
    }
    let names = files.list("").map_err(SpoolError::io("listing the directory"))?;
    let in_use = files.list(QUEUED).is_ok_and(|names| !names.is_empty());
    if in_use || !names.iter().all(|name| may_be_found_in_a_new_spool(name)) {
        return Err(SpoolError::NotASpool);
    }
    Ok(false)
}

/// Whether the bucket of the spool, if it has one, is one of ours; a bucket with nothing of a spool in it becomes one.
///
/// # Errors
/// [`SpoolError::Version`] if it is another release's; [`SpoolError::Io`].
pub(super) fn recognise_bucket(shared: &Shared, may_make: bool) -> Result<bool, SpoolError> {
    let Some(remote) = &shared.remote else { return Ok(false) };
    remote.store.recognise(may_make).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => SpoolError::Version { found: error.to_string(), known: VERSION },
        _ => SpoolError::io("reading VERSION in the bucket")(error),
    })
}

/// What a start that was interrupted, a checkout, or a fresh file system leaves in a directory.
fn may_be_found_in_a_new_spool(name: &str) -> bool {
    let ours = [VERSION_DRAFT, LOCK_FILE, BALLAST_FILE, "README.md", "lost+found"];
    name.starts_with('.') || ours.contains(&name) || DIRECTORIES.contains(&name) || INDEX_FILES.contains(&name)
}
