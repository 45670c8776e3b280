//! Servers that do what a test tells them, and remember what they were asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The first byte that `Range` asks for.
    pub(super) fn offset(&self) -> usize {
        let range = self.header("range").and_then(|text| text.strip_prefix("bytes="));
        range.map_or(0, |range| range.trim_end_matches('-').parse().unwrap())
    }
}

/// What is answered.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// The length that the head promises.
    pub(super) promised: Option<usize>,
    pub(super) style: Style,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// The body and the end of the connection.
    Plain,
    /// The body in small chunks.
    Chunked,
    /// The body again and again.
    Endless,
    /// The body, then silence.
    Silent,
}

impl Reply {
    pub(super) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let (headers, body) = (Vec::new(), body.into());
        Self { status, headers, promised: Some(body.len()), body, style: Style::Plain }
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Promises `len` bytes, whatever comes.
    pub(super) fn promising(mut self, len: usize) -> Self {
        self.promised = Some(len);
        self
    }

    pub(super) fn styled(mut self, style: Style) -> Self {
        self.style = style;
        if matches!(style, Style::Chunked | Style::Endless) {
            self.promised = None;
        }
        self
    }

    /// The rest of `all` from the byte that is asked for, up to `end`.
    pub(super) fn part(seen: &Seen, all: &[u8], end: usize) -> Self {
        let offset = seen.offset();
        let reply = Self::new(if offset == 0 { 200 } else { 206 }, &all[offset..end])
            .promising(all.len() - offset);
        let range = format!("bytes {offset}-{}/{}", all.len() - 1, all.len());
        if offset == 0 { reply } else { reply.with("Content-Range", &range) }
    }
}

type Script = dyn Fn(&Seen, usize) -> Reply + Send + Sync;

/// A server on a loopback port. It lives as long as the test process.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) host: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// Answers each request with what `script` makes of it and of how often that path was asked
    /// for before.
    pub(super) fn start(script: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let server = Self { host, seen: Arc::default() };
        let (seen, script): (_, Arc<Script>) = (Arc::clone(&server.seen), Arc::new(script));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, script) = (Arc::clone(&seen), Arc::clone(&script));
                std::thread::spawn(move || serve(&stream, &seen, &*script));
            }
        });
        server
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// What was asked for a path that contains `part`.
    pub(super) fn asked(&self, part: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.path.contains(part)).collect()
    }
}

fn serve(stream: &TcpStream, log: &Mutex<Vec<Seen>>, script: &Script) -> Option<()> {
    let seen = read(stream)?;
    let before = {
        let mut log = log.lock().unwrap();
        let before = log.iter().filter(|other| other.path == seen.path).count();
        log.push(seen.clone());
        before
    };
    let reply = script(&seen, before);
    let mut head = format!("HTTP/1.1 {} X\r\nConnection: close\r\n", reply.status);
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    if let Some(len) = reply.promised {
        head += &format!("Content-Length: {len}\r\n");
    } else if reply.style == Style::Chunked {
        head += "Transfer-Encoding: chunked\r\n";
    }
    let mut out = stream;
    out.write_all(format!("{head}\r\n").as_bytes()).ok()?;
    match reply.style {
        _ if seen.method == "HEAD" => {}
        Style::Plain => out.write_all(&reply.body).ok()?,
        Style::Chunked => {
            for chunk in reply.body.chunks(1000) {
                out.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).ok()?;
                out.write_all(chunk).ok()?;
                out.write_all(b"\r\n").ok()?;
            }
            out.write_all(b"0\r\n\r\n").ok()?;
        }
        Style::Endless => while out.write_all(&reply.body).is_ok() {},
        Style::Silent => {
            out.write_all(&reply.body).ok()?;
            std::thread::sleep(Duration::from_secs(60));
        }
    }
    Some(())
}

fn read(stream: &TcpStream) -> Option<Seen> {
    let mut input = BufReader::new(stream);
    let mut line = String::new();
    input.read_line(&mut line).ok()?;
    let mut words = line.split(' ').map(str::to_owned);
    let mut seen = Seen { method: words.next()?, path: words.next()?, ..Seen::default() };
    loop {
        let mut line = String::new();
        input.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        seen.headers.push((name.to_owned(), value.to_owned()));
    }
    let len = seen.header("content-length").map_or(0, |len| len.parse().unwrap());
    let mut body = vec![0; len];
    input.read_exact(&mut body).ok()?;
    seen.body = String::from_utf8_lossy(&body).into_owned();
    Some(seen)
}

/// Passes connections on to `target`. The `number`th one (from 1) is cut after `bytes` bytes from
/// the client.
pub(super) fn cutter(target: &str, number: usize, bytes: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let target = target.to_owned();
    std::thread::spawn(move || {
        for (count, client) in listener.incoming().flatten().enumerate() {
            let limit = if count + 1 == number { bytes } else { usize::MAX };
            let server = TcpStream::connect(&target).unwrap();
            tunnel(client, server, limit);
        }
    });
    host
}

/// A proxy that takes `CONNECT` and leads every name to loopback. It remembers the heads.
pub(super) fn proxy() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let heads: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = Arc::clone(&heads);
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                client.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            let head = String::from_utf8(head).unwrap();
            let target = head.split(' ').nth(1).unwrap();
            let port: u16 = target.rsplit(':').next().unwrap().parse().unwrap();
            log.lock().unwrap().push(head.clone());
            let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            tunnel(client, server, usize::MAX);
        }
    });
    (host, heads)
}

fn tunnel(client: TcpStream, server: TcpStream, limit: usize) {
    let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut { server }, &mut { client });
    });
    std::thread::spawn(move || {
        let mut left = limit;
        let mut buffer = [0; 16384];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            if read > left || to.write_all(&buffer[..read]).is_err() {
                break;
            }
            left -= read;
        }
        let _ = from.shutdown(std::net::Shutdown::Both);
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
}
