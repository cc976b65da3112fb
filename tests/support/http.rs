//! A small, strict HTTP/1.1 server: one thread per connection, keep-alive, bodies by `content-length` only.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::lock;

const MAX_HEADERS: usize = 64;
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// What AWS Lambda takes as the answer of an invocation.
const MAX_BODY_BYTES: usize = 6 * 1024 * 1024;

/// One request, whole.
#[derive(Debug, Clone)]
pub struct Request {
    /// Method, as sent.
    pub method: String,
    /// Path with query, as sent.
    pub path: String,
    /// Header fields: names in lower case, in the order sent.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
    /// When it had arrived.
    pub at: Instant,
    /// How many requests the server was answering then, this one included.
    pub in_flight: usize,
}

impl Request {
    /// The value of a header field, its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A response.
#[derive(Debug, Clone)]
pub struct Response {
    status: u16,
    headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// A response with a body.
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: vec![("content-type", content_type.to_owned())], body: body.into() }
    }

    /// The same with one more header field.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn head(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Double\r\ncontent-length: {}\r\n", self.status, self.body.len());
        for (name, value) in &self.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}

/// What becomes of a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// It is answered.
    Response(Response),
    /// The connection closes in the middle of the answer's body.
    Truncated(Response),
    /// The connection closes without an answer.
    Reset,
    /// It takes a while.
    Delayed(Duration, Box<Reply>),
}

impl Reply {
    /// The same, after a while.
    pub fn delayed(self, delay: Duration) -> Self {
        if delay.is_zero() { self } else { Self::Delayed(delay, Box::new(self)) }
    }
}

impl From<Response> for Reply {
    fn from(response: Response) -> Self {
        Self::Response(response)
    }
}

/// A server on a free port of this machine. Dropping it closes its connections.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    handler: Box<dyn Fn(&Request) -> Reply + Send + Sync>,
    connections: Mutex<Connections>,
    stop: Condvar,
    in_flight: AtomicUsize,
}

#[derive(Default)]
struct Connections {
    stopped: bool,
    opened: u64,
    open: HashMap<u64, TcpStream>,
}

impl Server {
    /// Starts a server whose requests are answered by `handler`, on many threads at once.
    pub fn start(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("the address of the port");
        let shared = Arc::new(Shared {
            handler: Box::new(handler),
            connections: Mutex::default(),
            stop: Condvar::new(),
            in_flight: AtomicUsize::new(0),
        });
        let accepting = thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared)
        });
        Self { address, shared, accepting: Some(accepting) }
    }

    /// `127.0.0.1` and the port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        {
            let mut connections = lock(&self.shared.connections);
            connections.stopped = true;
            for stream in connections.open.values() {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
        self.shared.stop.notify_all();
        // The thread that accepts connections wakes up by one, and then sees that it is to end.
        if TcpStream::connect(self.address).is_ok()
            && let Some(accepting) = self.accepting.take()
        {
            let _ = accepting.join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        let Some(number) = shared.register(stream.as_ref().ok()) else { return };
        let Ok(stream) = stream else { continue };
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            // A connection that breaks is the client's to notice.
            let _ = shared.serve(&stream);
            let _ = stream.shutdown(Shutdown::Both);
            lock(&shared.connections).open.remove(&number);
        });
    }
}

impl Shared {
    /// Takes note of a connection; `None` if the server is to stop.
    fn register(&self, stream: Option<&TcpStream>) -> Option<u64> {
        let mut connections = lock(&self.connections);
        if connections.stopped {
            return None;
        }
        connections.opened += 1;
        let number = connections.opened;
        if let Some(stream) = stream.and_then(|stream| stream.try_clone().ok()) {
            connections.open.insert(number, stream);
        }
        Some(number)
    }

    fn serve(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut unread = Vec::new();
        while let Some(incoming) = read_request(stream, &mut unread)? {
            let mut request = match incoming {
                Ok(request) => request,
                Err(Refused(status, problem)) => {
                    let response = Response::new(status, "text/plain", problem).header("connection", "close");
                    return send(stream, &[&response.head(), &response.body]);
                }
            };
            request.in_flight = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
            let reply = catch_unwind(AssertUnwindSafe(|| (self.handler)(&request))).unwrap_or_else(|_| {
                Response::new(500, "text/plain", "the handler of this test server panicked").into()
            });
            let reply = self.wait_out(reply);
            // Before the answer is sent: once the client has it, it may send the next request at once.
            self.in_flight.fetch_sub(1, Ordering::SeqCst);
            match reply {
                Reply::Response(response) => send(stream, &[&response.head(), &response.body])?,
                Reply::Truncated(mut response) => {
                    if response.body.is_empty() {
                        response.body.push(b' ');
                    }
                    return send(stream, &[&response.head(), &response.body[..response.body.len() / 2]]);
                }
                Reply::Reset | Reply::Delayed(..) => return Ok(()),
            }
            if request.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Waits as long as the reply is delayed; a server that stops resets the connection.
    fn wait_out(&self, mut reply: Reply) -> Reply {
        while let Reply::Delayed(delay, inner) = reply {
            let connections = lock(&self.connections);
            let (connections, _) = self
                .stop
                .wait_timeout_while(connections, delay, |connections| !connections.stopped)
                .unwrap_or_else(PoisonError::into_inner);
            if connections.stopped {
                return Reply::Reset;
            }
            reply = *inner;
        }
        reply
    }
}

fn send(mut stream: &TcpStream, parts: &[&[u8]]) -> io::Result<()> {
    // In one write: the client must not see a head whose body is still to come unless a test wants that.
    stream.write_all(&parts.concat())
}

/// A request that is not answered by the handler: status and what is wrong.
struct Refused(u16, &'static str);

/// Reads the next request; `None` if the client closed the connection instead.
fn read_request(mut stream: &TcpStream, unread: &mut Vec<u8>) -> io::Result<Option<Result<Request, Refused>>> {
    let mut read_more = |unread: &mut Vec<u8>| {
        let mut chunk = [0; 16 * 1024];
        let read = stream.read(&mut chunk)?;
        unread.extend_from_slice(&chunk[..read]);
        io::Result::Ok(read > 0)
    };
    let (mut request, body_start, body_length) = loop {
        match parse_head(unread) {
            Ok(Some(parsed)) => break parsed,
            Ok(None) => {}
            Err(refused) => return Ok(Some(Err(refused))),
        }
        if !read_more(unread)? {
            return Ok(None);
        }
    };
    while unread.len() < body_start + body_length {
        if !read_more(unread)? {
            return Ok(None);
        }
    }
    request.body = unread[body_start..body_start + body_length].to_vec();
    unread.drain(..body_start + body_length);
    request.at = Instant::now();
    Ok(Some(Ok(request)))
}

/// The request but for its body, where the body starts, and how long it is; `None` while the head is not whole.
fn parse_head(bytes: &[u8]) -> Result<Option<(Request, usize, usize)>, Refused> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let body_start = match head.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD_BYTES => return Ok(None),
        Ok(httparse::Status::Partial) => return Err(Refused(431, "the head of the request is too long")),
        Err(_) => return Err(Refused(400, "this is not an HTTP request")),
    };
    if head.version != Some(1) {
        return Err(Refused(505, "HTTP/1.1 is expected"));
    }
    let mut fields = Vec::new();
    for header in &*head.headers {
        let Ok(value) = std::str::from_utf8(header.value) else {
            return Err(Refused(400, "a header field is not UTF-8"));
        };
        fields.push((header.name.to_ascii_lowercase(), value.to_owned()));
    }
    let values =
        |name: &str| fields.iter().filter(|(known, _)| known == name).map(|(_, value)| value).collect::<Vec<_>>();
    if values("host").len() != 1 {
        return Err(Refused(400, "exactly one host is expected"));
    }
    if !values("transfer-encoding").is_empty() {
        return Err(Refused(411, "a content-length is expected, not a transfer-encoding"));
    }
    let body_length = match values("content-length")[..] {
        [] => 0,
        [length] => length.parse().map_err(|_| Refused(400, "content-length is not a number"))?,
        _ => return Err(Refused(400, "content-length is there twice")),
    };
    if body_length > MAX_BODY_BYTES {
        return Err(Refused(413, "the body is too long"));
    }
    let request = Request {
        method: head.method.unwrap_or_default().to_owned(),
        path: head.path.unwrap_or_default().to_owned(),
        headers: fields,
        body: Vec::new(),
        at: Instant::now(),
        in_flight: 0,
    };
    Ok(Some((request, body_start, body_length)))
}
