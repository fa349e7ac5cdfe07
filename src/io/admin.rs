//! The operator's door: `/livez`, `/readyz`, `/metrics` and `/api/v1/` over HTTP.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::extract::{FromRef, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::{OpenApi, ToSchema};

use super::guard::{Guarded, Lease};
use super::http::fault::Fault;
use super::http::{self, Api, visitor};

/// How often histograms are folded, so that they don't grow while nobody scrapes.
const UPKEEP: Duration = Duration::from_secs(5);

/// What `/readyz` knows: shared by every part that can stop the server from being ready.
///
/// The server is ready when addresses are named and nobody gives a reason against it.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<RwLock<Known>>);

#[derive(Debug, Default)]
struct Known {
    addresses: Option<Addresses>,
    reasons: BTreeMap<&'static str, String>,
    warnings: BTreeMap<&'static str, String>,
}

/// The addresses that are really listened on, after port 0 got its number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Addresses {
    /// `udp:HOST:PORT` and `tcp:HOST:PORT`.
    pub sip: Vec<String>,
    /// `tcp:HOST:PORT` and `tls:HOST:PORT`.
    pub msrp: Vec<String>,
    /// `HOST:PORT`.
    pub http: String,
}

/// The answer of `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Report {
    /// Whether new work is welcome.
    pub ready: bool,
    /// Where to bring it.
    #[serde(flatten)]
    pub addresses: Addresses,
    /// Why it is not welcome: `part: why`.
    pub reasons: Vec<String>,
    /// What somebody should look after, though new work is welcome: `part: why`.
    pub warnings: Vec<String>,
}

impl Readiness {
    /// Not ready yet: no address is named.
    pub fn new() -> Self {
        Self::default()
    }

    /// Names the addresses that are listened on.
    pub fn listening(&self, addresses: Addresses) {
        self.write(|state| state.addresses = Some(addresses));
    }

    /// `part` can't do its work, because of `why`; replaces an earlier reason of the same part.
    pub fn object(&self, part: &'static str, why: impl Into<String>) {
        let why = why.into();
        self.write(|state| _ = state.reasons.insert(part, why));
    }

    /// `part` is well again.
    pub fn clear(&self, part: &'static str) {
        self.write(|state| _ = state.reasons.remove(part));
    }

    /// `part` does its work, but not as it should; without a reason it does as it should.
    pub fn warn(&self, part: &'static str, why: Option<String>) {
        self.write(|state| {
            _ = match why {
                Some(why) => state.warnings.insert(part, why),
                None => state.warnings.remove(part),
            }
        });
    }

    /// What `/readyz` answers now.
    pub fn report(&self) -> Report {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let told = |known: &BTreeMap<_, _>| known.iter().map(|(part, why)| format!("{part}: {why}")).collect();
        let (mut reasons, warnings): (Vec<String>, _) = (told(&state.reasons), told(&state.warnings));
        if state.addresses.is_none() {
            reasons.insert(0, "server: starting".to_owned());
        }
        Report { ready: reasons.is_empty(), addresses: state.addresses.clone().unwrap_or_default(), reasons, warnings }
    }

    fn write(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}

/// A bearer token, kept as its hash: comparing hashes takes as long for a near miss as for a far one.
#[derive(Clone)]
pub struct Token([u8; 32]);

impl Token {
    /// The token with this text.
    pub fn new(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// The first line of a file.
    ///
    /// # Errors
    /// The file can't be read or its first line is empty.
    pub fn read(path: &Path) -> io::Result<Self> {
        let text = std::fs::read_to_string(path)?;
        match text.lines().next().map(str::trim) {
            None | Some("") => Err(io::Error::new(io::ErrorKind::InvalidData, "the first line has no token")),
            Some(token) => Ok(Self::new(token)),
        }
    }

    fn admits(&self, request: &Request) -> bool {
        let header = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        // RFC 9110 §11.1: the scheme's name has no case.
        let given = header.and_then(|value| value.split_once(' '));
        given
            .is_some_and(|(scheme, token)| scheme.eq_ignore_ascii_case("bearer") && Self::new(token.trim()).0 == self.0)
    }
}

/// What the door shows, and to whom.
#[derive(Clone)]
pub(super) struct Admin {
    /// Behind `/readyz`.
    pub(super) readiness: Readiness,
    /// Behind `/metrics`.
    pub(super) metrics: PrometheusHandle,
    /// Demanded for everything but `/livez`.
    pub(super) token: Option<Token>,
    /// Behind `/api/v1/`.
    pub(super) api: Api,
}

impl FromRef<Admin> for Api {
    fn from_ref(admin: &Admin) -> Self {
        admin.api.clone()
    }
}

/// Serves until `shutdown` comes and the answers under way are out.
///
/// # Errors
/// The listener broke.
pub(super) async fn serve(
    listener: TcpListener,
    admin: Admin,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let metrics = admin.metrics.clone();
    let upkeep = async {
        loop {
            tokio::time::sleep(UPKEEP).await;
            metrics.run_upkeep();
        }
    };
    let service = router(admin).into_make_service_with_connect_info::<Lease>();
    tokio::select! {
        served = axum::serve(Guarded::new(listener), service).with_graceful_shutdown(shutdown) => served,
        () = upkeep => Ok(()),
    }
}

fn router(admin: Admin) -> Router {
    let mut objects: Router<Api> = Router::new();
    for (path, route) in http::routes() {
        objects = objects.route(path, route);
    }
    Router::new()
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route(DOCUMENT, get(document))
        .merge(objects.with_state(admin.api.clone()))
        .fallback(unknown)
        .method_not_allowed_fallback(not_so)
        .layer(middleware::from_fn_with_state(admin.clone(), authorised))
        .route("/livez", get(alive))
        .with_state(admin)
}

/// Where everything here is described.
const DOCUMENT: &str = "/api/v1/openapi.json";

/// What is said of the door (OpenAPI 3.1), all of it.
#[derive(OpenApi)]
#[openapi(
    paths(alive, ready, metrics, document),
    info(title = "Restante", description = "Files that are held until they are called for")
)]
struct Document;

fn description() -> utoipa::openapi::OpenApi {
    let mut all = Document::openapi().merge_from(http::Document::openapi());
    let bearer = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    all.components.get_or_insert_default().add_security_scheme("token", bearer);
    // Either the token, or none where none is set.
    all.security = Some(vec![SecurityRequirement::new("token", [""; 0]), SecurityRequirement::default()]);
    all
}

/// Whether the process answers at all.
#[utoipa::path(get, path = "/livez", responses((status = 200, description = "It does", body = String)))]
async fn alive() -> &'static str {
    "alive\n"
}

/// Whether new work is welcome, and where.
#[utoipa::path(get, path = "/readyz", responses(
    (status = 200, description = "It is", body = Report),
    (status = 503, description = "It is not, and why", body = Report),
))]
async fn ready(State(admin): State<Admin>) -> (StatusCode, Json<Report>) {
    let report = admin.readiness.report();
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report))
}

/// The numbers, for Prometheus.
#[utoipa::path(get, path = "/metrics", responses((status = 200, description = "The numbers", body = String)))]
async fn metrics(State(admin): State<Admin>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], admin.metrics.render())
}

/// This document.
#[utoipa::path(get, path = "/api/v1/openapi.json", responses((status = 200, description = "OpenAPI 3.1", body = Object)))]
async fn document() -> Json<utoipa::openapi::OpenApi> {
    Json(description())
}

async fn unknown(request: Request) -> Fault {
    let reason = format!("no {}; there are /livez, /readyz, /metrics, and what {DOCUMENT} tells", request.uri().path());
    Fault::new(StatusCode::NOT_FOUND, "not_found", reason)
}

async fn not_so(request: Request) -> Fault {
    let reason = format!("{} is not done to {}; see {DOCUMENT}", request.method(), request.uri().path());
    Fault::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", reason)
}

async fn authorised(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    let refused = match &admin.token {
        Some(token) if !token.admits(&request) => {
            let reason = "send the token of http.token_file: Authorization: Bearer TOKEN";
            let mut refusal = Fault::new(StatusCode::UNAUTHORIZED, "unauthorised", reason).into_response();
            refusal.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            Some(refusal)
        }
        Some(_) => None,
        None => visitor::admit(request.headers()).err().map(IntoResponse::into_response),
    };
    match refused {
        Some(refusal) => refusal,
        None => next.run(request).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    /// Serves on a free port, asks once, and gives status line, head and body.
    async fn ask(readiness: &Readiness, token: Option<&str>, path: &str, header: &str) -> (String, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let dir = tempfile::tempdir().expect("a directory");
        let admin = Admin {
            api: Api::idle(dir.path()),
            readiness: readiness.clone(),
            metrics: super::super::metrics::install(),
            token: token.map(Token::new),
        };
        let server = tokio::spawn(serve(listener, admin, std::future::pending()));
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{header}\r\n");
        stream.write_all(request.as_bytes()).await.expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        server.abort();
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        (head.to_ascii_lowercase(), body.to_owned())
    }

    fn listening() -> Readiness {
        let readiness = Readiness::new();
        readiness.listening(Addresses {
            sip: vec!["udp:127.0.0.1:5060".into()],
            msrp: vec!["tcp:127.0.0.1:2855".into()],
            http: "127.0.0.1:8080".into(),
        });
        readiness
    }

    #[tokio::test]
    async fn a_server_is_not_ready_before_it_listens_but_alive() {
        let (head, body) = ask(&Readiness::new(), None, "/readyz", "").await;
        assert!(head.starts_with("http/1.1 503"), "{head}");
        let report: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(
            report,
            json!({"ready": false, "sip": [], "msrp": [], "http": "", "reasons": ["server: starting"], "warnings": []})
        );
        assert!(ask(&Readiness::new(), None, "/livez", "").await.0.starts_with("http/1.1 200"));
    }

    #[tokio::test]
    async fn a_reason_against_makes_it_unready_until_it_is_cleared() {
        let readiness = listening();
        readiness.object("spool", "the disk is full");
        let (head, body) = ask(&readiness, None, "/readyz", "").await;
        assert!(head.starts_with("http/1.1 503") && body.contains("spool: the disk is full"), "{head} {body}");
        readiness.clear("spool");
        let (head, body) = ask(&readiness, None, "/readyz", "").await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
        let report: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        let wanted = json!({"ready": true, "sip": ["udp:127.0.0.1:5060"], "msrp": ["tcp:127.0.0.1:2855"], "http": "127.0.0.1:8080", "reasons": [], "warnings": []});
        assert_eq!(report, wanted);
    }

    #[tokio::test]
    async fn what_was_counted_is_in_the_metrics() {
        super::super::metrics::install();
        ::metrics::counter!(super::super::metrics::CHUNKS, "result" => "accepted").increment(3);
        ::metrics::histogram!(super::super::metrics::COMMIT_SECONDS).record(0.003);
        let (head, body) = ask(&listening(), None, "/metrics", "").await;
        assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
        for line in [
            "# TYPE restante_chunks_total counter",
            "restante_chunks_total{result=\"accepted\"} 3",
            "restante_commit_seconds_bucket{le=\"0.005\"} 1",
        ] {
            assert!(body.contains(line), "{line} is missing in:\n{body}");
        }
    }

    #[tokio::test]
    async fn with_a_token_only_livez_is_open() {
        let of = async |path, header| ask(&listening(), Some("s3cret"), path, header).await.0[9..12].to_owned();
        assert_eq!(of("/livez", "").await, "200");
        assert_eq!(of("/readyz", "").await, "401");
        assert_eq!(of("/nowhere", "").await, "401");
        assert_eq!(of("/metrics", "Authorization: Bearer s3cre\r\n").await, "401");
        assert_eq!(of("/metrics", "Authorization: Basic s3cret\r\n").await, "401");
        assert_eq!(of("/metrics", "Authorization: bearer s3cret\r\n").await, "200");
    }

    #[tokio::test]
    async fn an_unknown_path_is_told_what_there_is() {
        let (head, body) = ask(&listening(), None, "/status", "").await;
        assert!(head.starts_with("http/1.1 404") && body.contains("/readyz"), "{head} {body}");
    }

    #[test]
    fn every_route_of_the_door_is_described() {
        let described = description().paths.paths;
        let routes =
            http::routes().into_iter().map(|(path, _)| path).chain(["/livez", "/readyz", "/metrics", DOCUMENT]);
        assert_eq!(routes.clone().filter(|path| described.contains_key(*path)).count(), described.len());
        assert_eq!(routes.count(), described.len());
    }

    #[test]
    fn a_token_file_without_a_token_is_an_error() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        assert!(Token::read(file.path()).is_err());
        std::fs::write(file.path(), "  abc \nignored\n").expect("a token");
        assert_eq!(Token::read(file.path()).expect("a token").0, Token::new("abc").0);
    }
}
