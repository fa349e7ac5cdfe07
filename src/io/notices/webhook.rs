//! A notice by HTTP: one POST, signed where there is a secret, and what its answer means.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::DateTime;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use tokio::sync::{OnceCell, mpsc};

use super::message;
use crate::config::{Settings, Webhook};
use crate::io::driver::Request;
use crate::io::fetch;
use crate::model::Wall;
use crate::model::limits::{NOTICE_ANSWER_OCTETS, NOTICE_SIP_TIMEOUT, NOTICE_TIMEOUT};
use crate::notices::{Audience, Verdict};
use crate::spool::{Notice, Target};

/// Fewer octets of a secret can be guessed (Standard Webhooks wants 24 to 64).
const SECRET_OCTETS: usize = 24;

/// What a secret begins with that is written in Base64.
const SECRET_MARK: &str = "whsec_";

/// What brings notices to webhooks.
pub(super) struct Courier {
    hooks: HashMap<String, Hook>,
    agent: String,
    /// Whom somebody may have told who is not the operator.
    audience: Arc<Audience>,
    /// For what the operator has configured: it leads where the operator says.
    configured: OnceCell<Client>,
    /// For everything else.
    guarded: OnceCell<Client>,
}

struct Hook {
    url: Url,
    secrets: Vec<hmac::Key>,
}

impl Courier {
    /// # Errors
    /// A secret can't be used.
    pub(super) fn new(settings: &Settings, audience: Arc<Audience>) -> Result<Self, String> {
        let hook = |hook: &Webhook| {
            let (name, url) = hook.name.clone().zip(hook.url.clone()).ok_or("a webhook has no name or url")?;
            let secrets = hook.secret_file.as_deref().map(secrets).transpose().map_err(|why| {
                format!("webhooks.secret_file of {name}: {why}") // and nothing of what is in it
            })?;
            Ok::<_, String>((name, Hook { url, secrets: secrets.unwrap_or_default() }))
        };
        Ok(Self {
            hooks: settings.webhooks.iter().map(hook).collect::<Result<_, _>>()?,
            agent: format!("restante/{}", env!("CARGO_PKG_VERSION")),
            audience,
            configured: OnceCell::new(),
            guarded: OnceCell::new(),
        })
    }

    /// Brings one notice there, and says what has come of it.
    pub(super) async fn bring(&self, notice: Notice, requests: &mpsc::Sender<Request>, now: Wall) -> Verdict {
        let request = match &notice.target {
            Target::Hook(name) => {
                let Some(hook) = self.hooks.get(name) else {
                    return Verdict::Gone(format!("no webhook is called {name} any more"));
                };
                let client = self.configured.get_or_try_init(async || client(configured())).await;
                client.map(|client| signed(client.post(hook.url.clone()), &notice, &hook.secrets, now))
            }
            Target::Url(url) => {
                let url = match Url::parse(url).map_err(|error| error.to_string()) {
                    Ok(url) => url,
                    Err(why) => return Verdict::Gone(why),
                };
                if let Err(why) = self.audience.admit(&url) {
                    return Verdict::Gone(why.to_string());
                }
                let sites = Arc::new(self.audience.sites.clone());
                let client = self.guarded.get_or_try_init(async || client(fetch::builder(sites))).await;
                client.map(|client| signed(client.post(url), &notice, &[], now))
            }
            Target::Sip(uri) => {
                return within(NOTICE_SIP_TIMEOUT, message::bring(requests, uri.clone(), notice.body)).await;
            }
        };
        match request {
            Ok(request) => within(NOTICE_TIMEOUT, self.ask(request, notice.body, now)).await,
            Err(why) => Verdict::Away(why, None),
        }
    }

    async fn ask(&self, request: RequestBuilder, body: String, now: Wall) -> Verdict {
        let request = request.header(CONTENT_TYPE, "application/cloudevents+json").header(USER_AGENT, &self.agent);
        match request.body(body).send().await {
            Ok(mut response) => {
                let verdict = verdict(&response, now);
                // A short answer is read, so that the connection can be used again.
                let mut left = NOTICE_ANSWER_OCTETS;
                while let Ok(Some(piece)) = response.chunk().await
                    && piece.len() <= left
                {
                    left -= piece.len();
                }
                verdict
            }
            Err(error) => Verdict::Away(fetch::reason(&error), None),
        }
    }
}

/// Whoever lets an attempt last longer is away.
async fn within(most: Duration, attempt: impl Future<Output = Verdict>) -> Verdict {
    let late = |_| Verdict::Away(format!("no answer within {} s", most.as_secs()), None);
    tokio::time::timeout(most, attempt).await.unwrap_or_else(late)
}

fn client(builder: reqwest::ClientBuilder) -> Result<Client, String> {
    builder.build().map_err(|error| fetch::reason(&error))
}

fn configured() -> reqwest::ClientBuilder {
    Client::builder().no_proxy().redirect(Policy::none()).referer(false)
}

/// Standard Webhooks: the notice's id, the time of this attempt, and a signature over both and the body for each secret.
fn signed(request: RequestBuilder, notice: &Notice, secrets: &[hmac::Key], now: Wall) -> RequestBuilder {
    let (id, timestamp) = (&notice.id, now.millis() / 1000);
    let request = request.header("webhook-id", id).header("webhook-timestamp", timestamp);
    if secrets.is_empty() {
        return request;
    }
    let text = format!("{id}.{timestamp}.{}", notice.body);
    let sign = |secret: &hmac::Key| format!("v1,{}", BASE64.encode(hmac::sign(secret, text.as_bytes())));
    request.header("webhook-signature", secrets.iter().map(sign).collect::<Vec<_>>().join(" "))
}

/// What an answer means. Of a redirect the operator has to know: it is not followed.
fn verdict(response: &Response, now: Wall) -> Verdict {
    let status = response.status();
    let reason = format!("answered {}", status.as_u16());
    match status {
        _ if status.is_success() => Verdict::Taken,
        StatusCode::GONE => Verdict::Gone(reason),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            let after = response.headers().get(RETRY_AFTER).and_then(|after| after.to_str().ok());
            Verdict::Away(reason, after.and_then(|after| retry_after(after, now)))
        }
        StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => Verdict::Away(reason, None),
        _ => Verdict::Refused(reason),
    }
}

/// RFC 9110 §10.2.3: seconds, or a date.
fn retry_after(text: &str, now: Wall) -> Option<Duration> {
    let text = text.trim();
    text.parse().map(Duration::from_secs).ok().or_else(|| {
        let date = DateTime::parse_from_rfc2822(text).ok()?.timestamp_micros();
        Some(Wall::from_micros(u64::try_from(date).ok()?).since(now))
    })
}

/// Every line that is not empty.
fn secrets(path: &Path) -> Result<Vec<hmac::Key>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let secrets = lines.map(secret).collect::<Result<Vec<_>, _>>()?;
    if secrets.is_empty() { Err(format!("{} has no secret in it", path.display())) } else { Ok(secrets) }
}

fn secret(line: &str) -> Result<hmac::Key, String> {
    let octets = match line.strip_prefix(SECRET_MARK) {
        Some(encoded) => BASE64.decode(encoded).map_err(|_| format!("what follows {SECRET_MARK} is not Base64"))?,
        None => line.as_bytes().to_vec(),
    };
    if octets.len() < SECRET_OCTETS {
        return Err(format!("a secret has {SECRET_OCTETS} octets or more"));
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = Wall::from_micros(784_111_777_000_000); // Sun, 06 Nov 1994 08:49:37 GMT
        assert_eq!(retry_after("120", now), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:50:37 GMT", now), Some(Duration::from_secs(60)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:40:37 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
        assert_eq!(retry_after("-1", now), None);
    }

    #[test]
    fn a_secret_is_base64_behind_its_mark_or_a_text_that_is_long_enough() {
        assert!(secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").is_ok());
        assert!(secret("whsec_MfKQ9r8GKYqrTwjU!").is_err());
        assert!(secret("whsec_c2hvcnQ=").is_err());
        assert!(secret("twenty-four octets at least").is_ok());
        assert!(secret("short").is_err());
    }
}
