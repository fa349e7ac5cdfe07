//! Files on this machine: what is declared of one before it is sent, and where one goes that has come.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use restante::io::node::Node;
use restante::model::limits::ICON_OFFERED_OCTETS;
use restante::model::{Digest, FileInfo};
use restante::spool::{Committed, Icon};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::progress::Progress;
use super::voice::{Failure, Voice};

/// Octets read at a time.
const READ_OCTETS: usize = 256 * 1024;

/// The longest file name that is made of a peer's word, in octets: there is room for ` (99)` within the usual 255.
const NAME_OCTETS: usize = 200;

/// How many files of one name fit into a directory.
const NAMESAKES: u32 = 10_000;

/// A file to be sent.
#[derive(Clone, Debug)]
pub(crate) struct LocalFile {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// What is declared of it.
    pub(crate) info: FileInfo,
    /// Its length in octets.
    pub(crate) size: u64,
    /// A preview picture of it.
    pub(crate) icon: Option<Icon>,
    /// SHA-256, which is not declared but compared with what the server says it has.
    pub(crate) sha256: Digest,
}

impl LocalFile {
    /// Reads the file once for its digests.
    ///
    /// # Errors
    /// It is no regular file, can't be read, or has a name that no peer could be told.
    pub(crate) fn read(path: &Path, voice: Voice) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::new(format!("{}: {error}", path.display()));
        let mut file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(Failure::new(format!("{} is not a regular file", path.display())));
        }
        let Some(name) = path.to_str().and_then(|_| path.file_name()?.to_str()).map(str::to_owned) else {
            return Err(Failure::new(format!("{}: the name is not UTF-8", path.display())).next("rename it"));
        };
        let mut progress = Progress::new(voice, format!("hash {name}"), metadata.len());
        let (mut sha1, mut sha256, mut size) = (Sha1::new(), Sha256::new(), 0);
        let mut buffer = vec![0; READ_OCTETS];
        loop {
            let octets = match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(octets) => octets,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(failed(error)),
            };
            sha1.update(&buffer[..octets]);
            sha256.update(&buffer[..octets]);
            size += octets as u64;
            progress.at(size);
        }
        progress.end();
        let info = FileInfo {
            media_type: Some(media_type(&name).to_owned()),
            name: Some(name),
            size: Some(size),
            digests: vec![Digest::sha1(sha1.finalize().into())],
            disposition: Some("attachment".to_owned()),
            ..FileInfo::default()
        };
        Ok(Self { path: path.to_owned(), info, size, icon: None, sha256: Digest::sha256(sha256.finalize().into()) })
    }

    /// Its own name.
    pub(crate) fn name(&self) -> &str {
        self.info.name.as_deref().unwrap_or_default()
    }
}

/// A picture that goes with a file.
///
/// # Errors
/// It can't be read, is no picture, or is too big for one (RFC 5547 §8.8).
pub(crate) fn icon(path: &Path) -> Result<Icon, Failure> {
    let failed = |why: String| Failure::new(format!("{}: {why}", path.display()));
    let media_type = media_type(&path.to_string_lossy());
    let octets = fs::read(path).map_err(|error| failed(error.to_string()))?;
    if !media_type.starts_with("image/") {
        return Err(failed("not the name of a picture".to_owned()).next("an icon is a .png, .jpg, .gif or .webp file"));
    }
    if octets.len() > ICON_OFFERED_OCTETS {
        return Err(failed(format!("{} octets are too many for an icon", octets.len()))
            .next(format!("make it smaller than {ICON_OFFERED_OCTETS} octets")));
    }
    Ok(Icon { media_type: media_type.to_owned(), octets })
}

/// The MIME type that the name's extension stands for; what nobody knows is octets.
fn media_type(name: &str) -> &'static str {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
    match extension.as_str() {
        "txt" | "log" => "text/plain",
        "html" | "htm" => "text/html",
        "csv" => "text/csv",
        "xml" => "application/xml",
        "json" => "application/json",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "gz" | "tgz" => "application/gzip",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "svg" => "image/svg+xml",
        "tif" | "tiff" => "image/tiff",
        "wav" => "audio/wav",
        "mp3" => "audio/mpeg",
        "ogg" | "oga" | "opus" => "audio/ogg",
        "amr" => "audio/AMR",
        "m4a" => "audio/mp4",
        "mp4" | "m4v" => "video/mp4",
        "mov" => "video/quicktime",
        "webm" => "video/webm",
        "3gp" => "video/3gpp",
        "vcf" => "text/vcard",
        _ => "application/octet-stream",
    }
}

/// A plain file name out of a peer's word: no directories, nothing hidden, nothing that writes on a terminal.
pub(crate) fn plain_name(object: &Committed) -> String {
    let envelope = object.envelope();
    let word = envelope.file.name.as_deref().or_else(|| envelope.uri.name()).unwrap_or_default();
    let name = plain(word);
    if name.is_empty() { envelope.id.clone() } else { name }
}

fn plain(word: &str) -> String {
    // Letters that turn the writing direction make `gpj.exe` out of `exe.jpg`.
    let turning = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let last = word.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String = last.chars().filter(|c| !c.is_control() && !turning(*c)).collect();
    let visible = clean.trim().trim_start_matches('.').trim_start();
    let mut end = visible.len().min(NAME_OCTETS);
    while !visible.is_char_boundary(end) {
        end -= 1;
    }
    visible[..end].trim_end().to_owned()
}

/// Takes an object out of a node's own spool and puts it at `path`, where nothing may be.
///
/// # Errors
/// [`ErrorKind::AlreadyExists`] if something is there; the object then stays in the spool.
pub(crate) fn take_out(node: &Node, spool: &Path, object: &Committed, path: &Path) -> io::Result<()> {
    let (body, offset) = (spool.join(object.body_path()), object.envelope().offset);
    let link = || if offset == 0 { fs::hard_link(&body, path) } else { Err(ErrorKind::Unsupported.into()) };
    match link() {
        Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::NotFound) => return Err(error),
        // A file system without links, or a file behind a wrapper.
        Err(_) => {
            let mut copy = File::create_new(path)?;
            let mut body = File::open(&body)?;
            body.seek(SeekFrom::Start(offset))?;
            io::copy(&mut body, &mut copy)?;
            copy.sync_all()?;
        }
        Ok(()) => {}
    }
    File::open(parent(path))?.sync_all()?;
    node.spool().delete(object, "taken out", node.clock().now()).map_err(|error| io::Error::other(error.to_string()))
}

/// As [`take_out`], under its own name in `dir`; a namesake that is there already keeps its name. Returns where it is.
///
/// # Errors
/// The directory can't be written.
pub(crate) fn take_out_into(node: &Node, spool: &Path, object: &Committed, dir: &Path) -> io::Result<PathBuf> {
    let name = plain_name(object);
    for number in 1..=NAMESAKES {
        let path = dir.join(numbered(&name, number));
        match take_out(node, spool, object, &path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            taken => return taken.map(|()| path),
        }
    }
    Err(io::Error::new(ErrorKind::AlreadyExists, format!("{NAMESAKES} files named {name}")))
}

/// `name.ext`, `name (2).ext`, `name (3).ext`, ...
fn numbered(name: &str, number: u32) -> String {
    match name.rsplit_once('.') {
        _ if number == 1 => name.to_owned(),
        Some((stem, extension)) if !stem.is_empty() => format!("{stem} ({number}).{extension}"),
        _ => format!("{name} ({number})"),
    }
}

/// The directory that a path is in.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peers_word_never_becomes_a_path() {
        for (word, name) in [
            ("photo.jpg", "photo.jpg"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Windows\\x.exe", "x.exe"),
            ("/", ""),
            ("..", ""),
            ("...hidden ", "hidden"),
            ("a\u{0}b\u{1b}[31m\n", "ab[31m"),
            ("gnp.\u{202e}exe", "gnp.exe"),
        ] {
            assert_eq!(plain(word), name, "{word:?}");
        }
        assert_eq!(plain(&"ü".repeat(300)).len(), NAME_OCTETS);
    }

    #[test]
    fn a_namesake_gets_a_number_before_its_extension() {
        assert_eq!(numbered("a.tar.gz", 1), "a.tar.gz");
        assert_eq!(numbered("a.wav", 2), "a (2).wav");
        assert_eq!(numbered("README", 3), "README (3)");
    }

    #[test]
    fn a_type_follows_from_the_extension_whatever_its_case() {
        assert_eq!(media_type("A.JPG"), "image/jpeg");
        assert_eq!(media_type("message.wav"), "audio/wav");
        assert_eq!(media_type("wav"), "application/octet-stream");
    }
}
