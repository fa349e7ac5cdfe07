//! Scripts from elsewhere (RFC 5707 §9.6.1 `src`): from the spool, or by HTTP from a site that the operator allows.
//!
//! Whoever writes a script chooses where we connect, so every step is asked for: the URL, each redirect, and the
//! addresses its name leads to, which are the ones that are then connected to. No proxy, no cookies, no credentials.

use std::collections::VecDeque;
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{
    ACCEPT, ETAG, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LOCATION,
};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Response, StatusCode, Url};
use tokio::sync::{OnceCell, Semaphore};

use crate::engine::ScriptSource;
use crate::model::limits::{MSML_FETCH_REDIRECTS, MSML_FETCH_TIMEOUT, MSML_FETCHES, MSML_OCTETS, MSML_SCRIPTS_KEPT};
use crate::model::{ObjectUri, Sites};
use crate::spool::Spool;

/// Fetches scripts, and keeps those that name a validator.
pub(super) struct Fetcher {
    sites: Arc<Sites>,
    /// Made when the first script is wanted: reading the system's authorities takes its time.
    client: OnceCell<Client>,
    turns: Semaphore,
    kept: Mutex<VecDeque<Kept>>,
}

/// A script that is asked for again by what the server said of it (RFC 9110 §8.8).
#[derive(Clone)]
struct Kept {
    url: Url,
    tag: Option<HeaderValue>,
    modified: Option<HeaderValue>,
    script: Bytes,
}

/// What one site answered.
enum Answer {
    Script(Bytes),
    Moved(Url),
}

impl Fetcher {
    /// A fetcher that goes to these sites alone.
    pub(super) fn new(sites: Sites) -> Self {
        let (client, kept) = (OnceCell::new(), Mutex::default());
        Self { sites: Arc::new(sites), client, turns: Semaphore::new(MSML_FETCHES), kept }
    }

    /// The script, or in words why there is none. The words go to the client that asked: they name no address that it
    /// has not named.
    pub(super) async fn script(&self, spool: Spool, source: ScriptSource) -> Result<Bytes, String> {
        match source {
            ScriptSource::Object(uri) => {
                let read = tokio::task::spawn_blocking(move || object(&spool, &uri)).await;
                read.map_err(|_| "the spool could not be asked".to_owned())?
            }
            ScriptSource::Url(text) => match tokio::time::timeout(MSML_FETCH_TIMEOUT, self.web(&text)).await {
                Ok(fetched) => fetched,
                Err(_) => Err(format!("no script within {} s", MSML_FETCH_TIMEOUT.as_secs())),
            },
        }
    }

    async fn web(&self, text: &str) -> Result<Bytes, String> {
        let mut url = Url::parse(text).map_err(|error| format!("src is no URL: {error}"))?;
        self.sites.admit(&url).map_err(|why| why.to_string())?; // before anything is waited for
        let _turn = self.turns.acquire().await.map_err(|_| "the server stops".to_owned())?;
        for _ in 0..=MSML_FETCH_REDIRECTS {
            self.sites.admit(&url).map_err(|why| why.to_string())?;
            match self.ask(&url).await? {
                Answer::Script(script) => return Ok(script),
                Answer::Moved(next) => url = next,
            }
        }
        Err(format!("more than {MSML_FETCH_REDIRECTS} redirects"))
    }

    async fn ask(&self, url: &Url) -> Result<Answer, String> {
        let client = self.client.get_or_try_init(async || client(Arc::clone(&self.sites))).await?;
        let site = url.host_str().unwrap_or_default();
        let kept = self.kept(url);
        let response = client.get(url.clone()).headers(conditions(kept.as_ref())).send().await;
        let response = response.map_err(|error| format!("{site}: {}", reason(&error)))?;
        match (response.status(), kept) {
            (StatusCode::NOT_MODIFIED, Some(kept)) => Ok(Answer::Script(kept.script)),
            (StatusCode::OK, _) => self.take(url, response).await.map(Answer::Script),
            (status, _) if status.is_redirection() => {
                let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
                let next = location.and_then(|location| url.join(location).ok());
                next.map(Answer::Moved).ok_or_else(|| format!("{site} answered {} and no place", status.as_u16()))
            }
            (status, _) => Err(format!("{site} answered {}", status.as_u16())),
        }
    }

    /// The body, read no further than a script may be long, and kept if it can be asked for again.
    async fn take(&self, url: &Url, mut response: Response) -> Result<Bytes, String> {
        let mut script = BytesMut::new();
        while let Some(piece) = response.chunk().await.map_err(|error| reason(&error))? {
            if script.len() + piece.len() > MSML_OCTETS {
                return Err(format!("the script is longer than {MSML_OCTETS} octets"));
            }
            script.extend_from_slice(&piece);
        }
        let header = |name| response.headers().get(name).cloned();
        let kept =
            Kept { url: url.clone(), tag: header(ETAG), modified: header(LAST_MODIFIED), script: script.freeze() };
        let script = kept.script.clone();
        self.keep(kept);
        Ok(script)
    }

    fn kept(&self, url: &Url) -> Option<Kept> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|kept| kept.url == *url).cloned()
    }

    fn keep(&self, script: Kept) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|other| other.url != script.url);
        if script.tag.is_some() || script.modified.is_some() {
            kept.push_back(script);
        }
        if kept.len() > MSML_SCRIPTS_KEPT {
            kept.pop_front();
        }
    }
}

fn object(spool: &Spool, uri: &ObjectUri) -> Result<Bytes, String> {
    let refused = |error: crate::spool::SpoolError| error.to_string();
    let object = spool.find(uri).map_err(refused)?.ok_or_else(|| format!("there is no {uri}"))?;
    let body = spool.read(&object).map_err(refused)?;
    let length = usize::try_from(body.size()).ok().filter(|length| *length <= MSML_OCTETS);
    let length = length.ok_or_else(|| format!("the script is longer than {MSML_OCTETS} octets"))?;
    let mut script = vec![0; length];
    let mut filled = 0;
    while filled < length {
        match body.read_at(filled as u64, &mut script[filled..]).map_err(refused)? {
            0 => return Err("the script ends too early".to_owned()),
            octets => filled += octets,
        }
    }
    Ok(script.into())
}

fn client(sites: Arc<Sites>) -> Result<Client, String> {
    builder(sites).timeout(MSML_FETCH_TIMEOUT).build().map_err(|error| reason(&error))
}

/// A client that goes to these sites alone, and nowhere by itself.
pub(super) fn builder(sites: Arc<Sites>) -> ClientBuilder {
    let guarded = Arc::new(Guarded(sites));
    Client::builder().no_proxy().redirect(Policy::none()).referer(false).dns_resolver(guarded)
}

/// RFC 9110 §13.1: only if it has changed.
fn conditions(kept: Option<&Kept>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/moml+xml, application/xml, text/xml, */*;q=0.1"));
    let Some(kept) = kept else { return headers };
    headers.extend(kept.tag.clone().map(|tag| (IF_NONE_MATCH, tag)));
    headers.extend(kept.modified.clone().map(|date| (IF_MODIFIED_SINCE, date)));
    headers
}

/// The innermost cause, which says what happened; the outer ones repeat the URL.
pub(super) fn reason(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// Looks names up and lets nobody connect to an address that they must not lead to. What it gives is connected to, so
/// there is no second look-up that could answer otherwise.
struct Guarded(Arc<Sites>);

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let sites = Arc::clone(&self.0);
        Box::pin(async move {
            let host = name.as_str();
            let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, 0)).await?.collect();
            addresses.iter().map(SocketAddr::ip).try_for_each(|address: IpAddr| sites.admit_address(host, address))?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
