//! Flags that change the configuration, and the reading of file and environment.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::Args;
use restante::config::{self, ConfigError, Host, Listen, Origin, Settings, Sources};
use restante::io::keys;
use restante::model::BoxClass;
use restante::spool::Keys;

use super::voice::Failure;

/// Read when no `--config` is given and it's there.
const DEFAULT_FILE: &str = "restante.toml";

/// The flags of commands that look into a spool.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Place {
    /// Configuration file; without it ./restante.toml is read if there is one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Directory of the spool, or its bucket
    #[arg(long, value_name = "DIR|s3://BUCKET/PREFIX")]
    spool: Option<PathBuf>,
}

impl Place {
    /// The master keys that the settings name.
    ///
    /// # Errors
    /// As [`SettingsArgs::load`], or a key can't be read.
    pub(crate) fn keys(&self) -> Result<Keys, Failure> {
        let next = "the same spool.keys as the server's are needed: --config FILE, or RESTANTE_SPOOL__KEYS";
        keys::read(&self.settings()?.spool.keys).map_err(|why| Failure::new(why).next(next))
    }

    fn settings(&self) -> Result<Settings, Failure> {
        SettingsArgs { place: self.clone(), ..SettingsArgs::default() }.load()
    }

    /// All that is known of the spool, and whether a flag has named its bucket.
    ///
    /// # Errors
    /// As [`SettingsArgs::load`].
    pub(crate) fn spool(&self) -> Result<(config::Spool, bool), Failure> {
        Ok((self.settings()?.spool, self.is_bucket()))
    }

    /// What holds for which boxes.
    ///
    /// # Errors
    /// As [`SettingsArgs::load`].
    pub(crate) fn classes(&self) -> Result<Vec<BoxClass>, Failure> {
        Ok(self.settings()?.boxes.iter().map(config::BoxClass::class).collect())
    }

    fn is_bucket(&self) -> bool {
        self.spool.as_ref().and_then(|spool| spool.to_str()).is_some_and(|spool| spool.starts_with("s3://"))
    }
}

/// The flags of commands that need the whole configuration.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct SettingsArgs {
    #[command(flatten)]
    place: Place,
    /// Where to listen for SIP, udp:HOST:PORT or tcp:HOST:PORT; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    sip: Vec<Listen>,
    /// Where to listen for MSRP, tcp:, tls:, ws: or wss:HOST:PORT; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    msrp: Vec<Listen>,
    /// Where to serve /livez, /readyz and /metrics
    #[arg(long, value_name = "HOST:PORT")]
    http: Option<Host>,
}

impl SettingsArgs {
    /// What a file says, without flags.
    pub(crate) fn of_file(config: Option<PathBuf>) -> Self {
        Self { place: Place { config, spool: None }, ..Self::default() }
    }

    /// Everything put together: file, `RESTANTE_SECTION__KEY` variables, flags.
    ///
    /// # Errors
    /// Every fault of the configuration in one message.
    pub(crate) fn load(&self) -> Result<Settings, Failure> {
        Settings::load(&self.sources()?).map_err(|errors| failure(&errors))
    }

    /// What there is to be read.
    ///
    /// # Errors
    /// The file can't be read.
    pub(crate) fn sources(&self) -> Result<Sources, Failure> {
        let text = |os: OsString| os.to_string_lossy().into_owned();
        let variables = std::env::vars_os().map(|(name, value)| (text(name), text(value)));
        Ok(Sources { file: self.file()?, variables: variables.collect(), flags: self.flags() })
    }

    fn file(&self) -> Result<Option<(String, String)>, Failure> {
        let path = self.place.config.as_deref().unwrap_or_else(|| Path::new(DEFAULT_FILE));
        match fs::read_to_string(path) {
            Ok(text) => Ok(Some((path.display().to_string(), text))),
            Err(error) if self.place.config.is_none() && error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::new(format!("{}: {error}", path.display()))
                .next("`restante config print` writes a file to begin with")),
        }
    }

    fn flags(&self) -> Vec<(String, &'static str, Vec<String>)> {
        let listen = |addresses: &[Listen]| addresses.iter().map(ToString::to_string).collect::<Vec<_>>();
        let spool = self.place.spool.iter().map(|path| path.display().to_string()).collect();
        let http = self.http.iter().map(ToString::to_string).collect();
        let all = [
            ("--spool", if self.place.is_bucket() { "spool.url" } else { "spool.path" }, spool),
            ("--sip", "sip.listen", listen(&self.sip)),
            ("--msrp", "msrp.listen", listen(&self.msrp)),
            ("--http", "http.listen", http),
        ];
        let given = all.into_iter().filter(|(_, _, values): &(_, _, Vec<_>)| !values.is_empty());
        given.map(|(flag, key, values)| (flag.to_owned(), key, values)).collect()
    }
}

/// One message for all errors; it's a matter of usage if only flags are wrong.
pub(crate) fn failure(errors: &[ConfigError]) -> Failure {
    let what = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let typed = errors.iter().all(|error| matches!(error.origin, Origin::Flag(_)));
    let failure = if typed { Failure::usage(what) } else { Failure::new(what) };
    failure.next("`restante config print` shows every key with its type, default and meaning")
}
