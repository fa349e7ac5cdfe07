//! Object stores that speak S3: one in this process, which fails when told to, and one that shares no code with anything
//! here.

#![allow(dead_code, reason = "each test crate takes its own part of this")]

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use axum::http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use restante::config::{self, BucketUrl};
use restante::io::bucket::S3Bucket;
use s3s::Body;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;

use crate::support::{self, PATIENCE};

const KEY: &str = "key";
const SECRET: &str = "a-secret-of-the-tests";

/// Python takes its time on a busy machine.
const STARTS: Duration = Duration::from_secs(90);

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// 503 SlowDown; nothing is done.
    SlowDown,
    /// 500; nothing is done.
    Internal,
    /// It is done, and the connection ends without an answer.
    LostAnswer,
    /// It is done, and the answer is 500.
    DoneAndInternal,
    /// The answer ends before its last octets.
    Truncated,
    /// The answer has another ETag than the object.
    WrongTag,
    /// 403 ExpiredToken.
    Expired,
    /// 409 ConditionalRequestConflict.
    Conflict,
}

/// Requests that a fault is for: their method, and what their path and query contain.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) method: Method,
    pub(crate) contains: &'static str,
    pub(crate) fault: Fault,
    /// How many of them.
    pub(crate) times: usize,
}

#[derive(Default)]
struct Script {
    plans: Vec<Plan>,
    ignores_conditions: bool,
    lets_race: bool,
    /// Method, path and query of every request.
    seen: VecDeque<String>,
}

/// `s3s-fs`: files in a directory, served by S3.
pub(crate) struct S3 {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
    _runtime: tokio::runtime::Runtime,
}

impl S3 {
    /// Starts one whose buckets are the directories in `dir`; there is one of the name `bucket`.
    pub(crate) fn start(dir: &Path) -> Self {
        std::fs::create_dir_all(dir.join("bucket")).expect("a bucket");
        let mut builder = S3ServiceBuilder::new(FileSystem::new(dir).expect("a directory"));
        builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let (service, script) = (builder.build(), Arc::new(Mutex::new(Script::default())));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("an address");
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads");
        let house = House { service, script: Arc::clone(&script), root: dir.to_owned(), turn: Arc::default() };
        runtime.spawn(serve(listener, house));
        Self { address, script, _runtime: runtime }
    }

    pub(crate) fn plan(&self, plan: Plan) {
        self.script().plans.push(plan);
    }

    /// From now on conditions are looked at and acted on in two steps, as `s3s-fs` has it by itself.
    pub(crate) fn let_race(&self) {
        self.script().lets_race = true;
    }

    /// From now on `If-None-Match` is ignored, as some servers do.
    pub(crate) fn ignore_conditions(&self) {
        self.script().ignores_conditions = true;
    }

    /// How many requests for bodies had this method, and this in their query.
    pub(crate) fn seen(&self, method: &str, query: &str) -> usize {
        let of_bodies = |seen: &&String| seen.starts_with(method) && seen.contains("/data/") && seen.contains(query);
        self.script().seen.iter().filter(of_bodies).count()
    }

    /// The variables by which a process finds it.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        variables(self.address)
    }

    pub(crate) fn bucket(&self, prefix: &str) -> S3Bucket {
        open(self.address, prefix)
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().expect("no panic")
    }
}

fn variables(address: SocketAddr) -> Vec<(String, String)> {
    [
        ("AWS_ENDPOINT_URL", format!("http://{address}")),
        ("AWS_ALLOW_HTTP", "true".to_owned()),
        ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

fn open(address: SocketAddr, prefix: &str) -> S3Bucket {
    let url: BucketUrl = format!("s3://bucket/{prefix}").parse().expect("an address");
    S3Bucket::open_in(&url, &config::Spool::default(), variables(address)).expect("a bucket")
}

#[derive(Clone)]
struct House {
    service: S3Service,
    script: Arc<Mutex<Script>>,
    root: PathBuf,
    /// Who may change something now.
    turn: Arc<tokio::sync::Mutex<()>>,
}

async fn serve(listener: TcpListener, house: House) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let house = house.clone();
        tokio::spawn(async move {
            let answer = service_fn(|request| answer(request, &house));
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

/// The fault for a request, if there is one.
fn fault(script: &Mutex<Script>, request: &Request<Incoming>) -> Option<Fault> {
    let mut script = script.lock().expect("no panic");
    let target = request.uri().path_and_query().map_or("", |target| target.as_str()).to_owned();
    script.seen.push_back(format!("{} {target}", request.method()));
    let plan = script
        .plans
        .iter_mut()
        .find(|plan| plan.times > 0 && plan.method == *request.method() && target.contains(plan.contains))?;
    plan.times -= 1;
    Some(plan.fault)
}

type Answer = Result<Response<http_body_util::combinators::UnsyncBoxBody<bytes::Bytes, Cut>>, Cut>;

/// The connection ends here.
#[derive(Debug)]
pub(crate) struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut off")
    }
}

impl std::error::Error for Cut {}

fn refused(status: u16, code: &str) -> Answer {
    let text = format!("<Error><Code>{code}</Code><Message>as the test wants it</Message></Error>");
    let body = http_body_util::Full::new(bytes::Bytes::from(text)).map_err(|never: Infallible| match never {});
    let status = StatusCode::from_u16(status).expect("a status");
    Ok(Response::builder().status(status).body(body.boxed_unsync()).expect("an answer"))
}

async fn answer(request: Request<Incoming>, house: &House) -> Answer {
    let fault = fault(&house.script, &request);
    match fault {
        Some(Fault::SlowDown) => return refused(503, "SlowDown"),
        Some(Fault::Internal) => return refused(500, "InternalError"),
        Some(Fault::Expired) => return refused(403, "ExpiredToken"),
        Some(Fault::Conflict) => return refused(409, "ConditionalRequestConflict"),
        _ => {}
    }
    let (ignores, races) = {
        let script = house.script.lock().expect("no panic");
        (script.ignores_conditions, script.lets_race)
    };
    let is_conditional = request.headers().contains_key(header::IF_NONE_MATCH);
    let turn = if is_conditional && !races { Some(house.turn.lock().await) } else { None };
    if ignores && is_conditional {
        let _ = std::fs::remove_file(house.root.join(request.uri().path().trim_start_matches('/')));
    }
    let response = house.service.call(request.map(Body::from)).await.map_err(|_| Cut)?;
    drop(turn);
    let (mut head, body) = response.into_parts();
    match fault {
        Some(Fault::LostAnswer) => return Err(Cut),
        Some(Fault::DoneAndInternal) => return refused(500, "InternalError"),
        Some(Fault::WrongTag) => drop(head.headers.insert(header::ETAG, HeaderValue::from_static("\"wrong\""))),
        Some(Fault::Truncated) => {
            let whole = body.collect().await.map_err(|_| Cut)?.to_bytes();
            let half = http_body_util::StreamBody::new(futures_util::stream::iter([
                Ok(hyper::body::Frame::data(whole.slice(..whole.len() / 2))),
                Err(Cut),
            ]));
            return Ok(Response::from_parts(head, half.boxed_unsync()));
        }
        _ => {}
    }
    Ok(Response::from_parts(head, body.map_err(|_| Cut).boxed_unsync()))
}

/// moto: S3 as Python programmers test with it.
pub(crate) struct Moto {
    child: Child,
    address: SocketAddr,
}

impl Moto {
    /// Starts it with an empty bucket; `None`, said aloud, if it is not installed.
    pub(crate) fn start() -> Option<Self> {
        let program = moto()?;
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
        let moto = Self { child: command.spawn().expect("moto starts"), address };
        let began = Instant::now();
        while put_bucket(address).is_err() {
            assert!(began.elapsed() < STARTS, "moto does not start");
            std::thread::park_timeout(Duration::from_millis(20));
        }
        Some(moto)
    }

    pub(crate) fn bucket(&self, prefix: &str) -> S3Bucket {
        open(self.address, prefix)
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where `tests/run` has put it, or where the path leads.
fn moto() -> Option<PathBuf> {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/moto/bin/moto_server");
    if ours.is_file() {
        return Some(ours);
    }
    (!support::missing("moto_server")).then(|| PathBuf::from("moto_server"))
}

fn put_bucket(address: SocketAddr) -> std::io::Result<()> {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let head = format!("PUT /bucket HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    if answer.contains(" 200 ") { Ok(()) } else { Err(std::io::Error::other(answer)) }
}
