//! A file comes in by HTTP: into a stage while it arrives, and answered when it is committed.

use std::time::Duration;

use axum::Json;
use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt as _;
use serde::Deserialize;

use super::api::Api;
use super::ask::Asked;
use super::fault::Fault;
use super::shape::Object;
use crate::io::guard::Lease;
use crate::io::metrics;
use crate::io::stream::on_disk;
use crate::io::transfers::{About, By, Direction};
use crate::model::limits::HTTP_REFUSED_OCTETS;
use crate::model::{Digest, DigestAlgorithm, FileInfo, ObjectUri};
use crate::spool::{Committed, EnvelopeDraft, Stage, StagePlan, Standing};

/// RFC 9530: what the octets hash to, for one message and for the file; without content codings they are the same.
const DIGESTS: [HeaderName; 2] = [HeaderName::from_static("content-digest"), HeaderName::from_static("repr-digest")];

/// How long somebody who was refused may take to notice.
const REFUSED_PATIENCE: Duration = Duration::from_secs(2);

/// Where the file goes.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Destination {
    /// The box.
    #[serde(rename = "box")]
    #[param(rename = "box")]
    mailbox: String,
    /// The object's name, and the file's; without it the object gets one that is never used again.
    name: Option<String>,
}

/// Brings a file: the body is the file. 201 says that it is committed: durable and complete.
#[utoipa::path(post, path = "/api/v1/objects", params(Destination),
    request_body(content = Vec<u8>, content_type = "application/octet-stream",
        description = "The file. Content-Type is its type, Content-Digest or Repr-Digest (RFC 9530, sha-256) is checked"),
    responses(
        (status = 201, description = "It is committed", body = Object, headers(("Location" = String))),
        (status = 400, description = "bad_request, incomplete, digest_mismatch", body = Fault),
        (status = 409, description = "exists: there is an object of this name", body = Fault),
        (status = 413, description = "too_large: more than msrp.max_size", body = Fault),
        (status = 507, description = "quota: the box is full; no_room: the disk is", body = Fault),
        (status = 503, description = "unavailable: nothing is taken now", body = Fault),
        (status = "4XX", description = "Why not", body = Fault),
    ))]
pub(super) async fn deposit(
    State(api): State<Api>,
    ConnectInfo(lease): ConnectInfo<Lease>,
    Asked(destination): Asked<Destination>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Fault> {
    let _work = api.uploads.token();
    let mut pieces = body.into_data_stream();
    let begun = begin(&api, &destination, &headers);
    // Whoever waits for leave to send (RFC 9110 §10.1.1) would take our reading for it.
    let waits = begun.is_err() && headers.contains_key(header::EXPECT);
    let received = match begun {
        Ok((stage, expected)) => receive(&api, &lease, stage, expected, &mut pieces).await,
        Err(fault) => Err(fault),
    };
    if received.is_err() && !waits {
        let _ = tokio::time::timeout(REFUSED_PATIENCE, read_away(&mut pieces)).await;
    }
    let received = received?;
    let waits = lease.work();
    let object = publish(&api, received).await?;
    drop(waits);
    let envelope = object.envelope();
    tracing::info!(object = %envelope.id, uri = %envelope.uri, octets = envelope.size(), "committed, by HTTP");
    let location = format!("/api/v1/objects/{}", envelope.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(Object::new(envelope, &Standing::default())))
        .into_response())
}

/// A body that has come to its end.
struct Received {
    stage: Stage,
    octets: u64,
    expected: FileInfo,
}

/// A stage with room for what is declared: whatever can be refused is, before an octet is read.
fn begin(api: &Api, destination: &Destination, headers: &HeaderMap) -> Result<(Stage, FileInfo), Fault> {
    if api.draining.is_cancelled() {
        return Err(Fault::unavailable("the server is going out of service and takes no files"));
    }
    let Destination { mailbox, name } = destination;
    let object = match name {
        Some(name) => ObjectUri::object(mailbox, name),
        None => ObjectUri::mailbox(mailbox),
    };
    let object = object.map_err(|error| Fault::bad(error.to_string()))?;
    let expected = declared(headers, name.clone())?;
    if expected.size.is_some_and(|size| size > api.max_size) {
        return Err(Fault::too_large(api.max_size));
    }
    let plan = StagePlan { declared: expected.clone(), ..StagePlan::new(object) };
    Ok((on_disk(|| api.spool.stage(plan, api.clock.now()))?, expected))
}

/// What the sender says of the file.
fn declared(headers: &HeaderMap, name: Option<String>) -> Result<FileInfo, Fault> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if text(header::CONTENT_ENCODING).is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
        let reason = "the file is stored as it comes: send it without Content-Encoding";
        return Err(Fault::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_encoding", reason));
    }
    let digests = DIGESTS.into_iter().filter_map(&text).map(sha256).collect::<Result<Vec<_>, _>>()?;
    Ok(FileInfo {
        name,
        size: text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok()),
        media_type: text(header::CONTENT_TYPE).map(str::to_owned),
        digests: digests.into_iter().flatten().collect(),
        ..FileInfo::default()
    })
}

/// The SHA-256 of a digest header, if it has one. Other algorithms are left to others.
fn sha256(field: &str) -> Result<Option<Digest>, Fault> {
    let member = |member: &str| member.trim().strip_prefix("sha-256=").map(str::to_owned);
    let Some(value) = field.split(',').find_map(member) else { return Ok(None) };
    let octets = value.strip_prefix(':').and_then(|value| value.strip_suffix(':'));
    let octets = octets.and_then(|text| STANDARD.decode(text).ok());
    let digest = octets.and_then(|octets| Digest::new(DigestAlgorithm::Sha256, &octets));
    digest.map(Some).ok_or_else(|| Fault::bad("a digest is sha-256=:BASE64: (RFC 9530)"))
}

/// Takes the body into the stage, as fast as the disk does. Whoever goes away leaves nothing behind.
async fn receive(
    api: &Api,
    lease: &Lease,
    mut stage: Stage,
    expected: FileInfo,
    pieces: &mut BodyDataStream,
) -> Result<Received, Fault> {
    let about = About {
        direction: Direction::In,
        by: By::Http,
        uri: Some(stage.object().to_string()),
        size: expected.size,
        call_id: None,
        message_id: None,
    };
    let transfer = api.transfers.begin(about, 0, api.clock.now());
    let mut octets = 0;
    loop {
        let piece: Option<Result<Bytes, axum::Error>> = tokio::select! {
            piece = pieces.next() => piece,
            () = api.stop.cancelled() => return Err(Fault::unavailable("the server has stopped")),
        };
        let Some(piece) = piece else {
            return Ok(Received { stage, octets, expected });
        };
        let piece = piece.map_err(|error| {
            tracing::warn!(object = stage.id(), octets, %error, "an upload was cut: nothing of it is kept");
            Fault::new(StatusCode::BAD_REQUEST, "incomplete", format!("the body ends after {octets} octets: {error}"))
        })?;
        if octets + piece.len() as u64 > api.max_size {
            return Err(Fault::too_large(api.max_size));
        }
        on_disk(|| stage.write(octets, &piece))?;
        octets += piece.len() as u64;
        lease.moved(piece.len());
        metrics::received(piece.len());
        transfer.moved(api.clock.now().instant, piece.len());
    }
}

/// Commits it. From here on it goes on to its end, whether somebody still listens or not.
async fn publish(api: &Api, received: Received) -> Result<Committed, Fault> {
    let Received { stage, octets, expected } = received;
    let (spool, clock, observer, work) = (api.spool.clone(), api.clock, api.committed.clone(), api.uploads.token());
    let commit = tokio::task::spawn_blocking(move || {
        let sealed = stage.seal(octets, &expected)?;
        let now = clock.now();
        let draft = EnvelopeDraft { file: expected, ..EnvelopeDraft::default() };
        let object = spool.commit(sealed, draft, now)?;
        metrics::committed(clock.now().instant - now.instant);
        if let Some(observer) = observer {
            let _ = observer.blocking_send(object.clone()); // an observer that left wants to hear nothing
        }
        drop(work);
        Ok(object)
    });
    commit.await.map_err(|error| Fault::unavailable(error.to_string()))?
}

/// Reads a little of what was refused: whoever is still writing would not see the answer otherwise.
async fn read_away(pieces: &mut BodyDataStream) {
    let mut octets = 0;
    while let Some(Ok(piece)) = pieces.next().await {
        octets += piece.len();
        if octets > HTTP_REFUSED_OCTETS {
            return;
        }
    }
}
