//! Telling an address by POST, signed where there is a secret.
//!
//! `http://` is spoken here, in some forty lines. `https://` goes through the `curl` of the system: it has the roots, the
//! proxies and the policies of this machine, and one webhook is no reason for a TLS library of our own.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::env::Env;
use crate::protocol::fuse::FuseExpired;

/// How long one attempt to reach an address may take: a name may stand for several.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How long all of it may take, whatever the other side does.
const TOTAL_MAX: Duration = Duration::from_secs(30);
/// Longest address, in bytes: what browsers take, and more than any service asks for.
const ADDRESS_MAX: usize = 2048;
/// Most bytes of the line that tells whether it was taken.
const STATUS_MAX: usize = 1024;

/// Says why a text is no address that can be told.
pub fn check_address(address: &str) -> Result<(), &'static str> {
    if address.len() > ADDRESS_MAX {
        return Err("is longer than 2048 bytes");
    }
    if !address.bytes().all(|it| it.is_ascii_graphic() && it != b'"' && it != b'\\') {
        return Err("holds what has to be escaped in an address");
    }
    let Some((_, rest)) = scheme(address) else {
        return Err("is neither `http://` nor `https://`");
    };
    let place = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if place.contains('@') {
        return Err("holds a name or password");
    }
    match host_and_port(place) {
        ("", _) => Err("names no host"),
        // As in any address, nothing behind the colon is the usual port.
        (_, None | Some("")) => Ok(()),
        (_, Some(port)) => match port.parse::<u16>() {
            Ok(1..) if port.bytes().all(|it| it.is_ascii_digit()) => Ok(()),
            _ => Err("names a port that is none of 1 to 65535"),
        },
    }
}

/// What stands before and behind the last colon, but for those of an IPv6 address in its brackets.
fn host_and_port(place: &str) -> (&str, Option<&str>) {
    match place.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (place, None),
    }
}

/// How an address is spoken to.
enum Scheme {
    Http,
    Https,
}

/// The scheme, in whatever case it is written, and what follows it.
fn scheme(address: &str) -> Option<(Scheme, &str)> {
    let (name, rest) = address.split_once("://")?;
    match &*name.to_ascii_lowercase() {
        "http" => Some((Scheme::Http, rest)),
        "https" => Some((Scheme::Https, rest)),
        _ => None,
    }
}

/// Sends the expired fuse, and returns once the address has taken it.
pub(super) fn post(
    env: &Env,
    address: &str,
    expired: &FuseExpired,
    secret: Option<String>,
) -> Result<(), String> {
    let body = serde_json::to_string(expired).map_err(|error| error.to_string())?;
    let signature = secret.map(|it| sign(&it, &body));
    match scheme(address) {
        Some((Scheme::Http, rest)) => {
            post_plain(rest, &body, signature.as_deref()).map_err(|it| it.to_string())
        }
        Some((Scheme::Https, _)) => post_by_curl(env, address, &body, signature.as_deref()),
        None => Err(format!("`{address}` is no address that can be told")),
    }
}

/// The signature of a body: `sha256=` and the HMAC-SHA256 in hexadecimal.
fn sign(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
        .expect("a key of HMAC may have any length");
    mac.update(body.as_bytes());
    let mut text = String::from("sha256=");
    for byte in mac.finalize().into_bytes() {
        write!(text, "{byte:02x}").expect("a string can be written to");
    }
    text
}

fn post_plain(rest: &str, body: &str, signature: Option<&str>) -> io::Result<()> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, target) = rest.split_at(end);
    let target = target.split('#').next().unwrap_or_default();
    let slash = if target.starts_with('/') { "" } else { "/" };
    let (name, port) = host_and_port(host);
    let port = port.filter(|it| !it.is_empty()).unwrap_or("80");
    let place = format!("{name}:{port}");
    let deadline = Instant::now() + TOTAL_MAX;
    let mut stream = connect(place.to_socket_addrs()?, deadline)?;
    let mut request = format!(
        "POST {slash}{target} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n",
        body.len()
    );
    if let Some(signature) = signature {
        for part in ["X-Headcount-Signature: ", signature, "\r\n"] {
            request += part;
        }
    }
    request += "\r\n";
    request += body;
    stream.set_write_timeout(Some(left_until(deadline)?))?;
    stream.write_all(request.as_bytes())?;
    let status = read_line(&mut stream, deadline)?;
    let code = status.split(' ').nth(1).unwrap_or_default();
    if is_taken(code) { Ok(()) } else { Err(io::Error::other(format!("answered `{status}`"))) }
}

/// Whether a status says that the message was taken. A redirection does not: what is signed for one address is not
/// for another to have.
fn is_taken(code: &str) -> bool {
    code.len() == 3 && code.starts_with('2')
}

/// Connects to the first of the addresses that answers.
fn connect(
    addresses: impl Iterator<Item = SocketAddr>,
    deadline: Instant,
) -> io::Result<TcpStream> {
    let mut refused = io::Error::other("the name has no address");
    for address in addresses {
        let limit = attempt_within(left_until(deadline)?);
        match TcpStream::connect_timeout(&address, limit) {
            Ok(stream) => return Ok(stream),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

/// How long one attempt may take of what is left.
fn attempt_within(left: Duration) -> Duration {
    left.min(CONNECT_MAX)
}

/// The first line that comes, without its end.
fn read_line(stream: &mut TcpStream, deadline: Instant) -> io::Result<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() < STATUS_MAX && line.last() != Some(&b'\n') {
        stream.set_read_timeout(Some(left_until(deadline)?))?;
        match stream.read(&mut byte)? {
            0 => break,
            _ => line.extend(byte),
        }
    }
    Ok(String::from_utf8_lossy(&line).trim().to_owned())
}

fn left_until(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

#[expect(clippy::disallowed_methods, reason = "curl is started here and nowhere else")]
fn post_by_curl(
    env: &Env,
    address: &str,
    body: &str,
    signature: Option<&str>,
) -> Result<(), String> {
    let curl = env.find_program("curl").ok_or("https needs `curl`, which is not on the PATH")?;
    // The address may hold a secret: settings go by stdin, where no other user can read them.
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let mut settings = format!(
        "url = \"{address}\"\nheader = \"Content-Type: application/json\"\ndata-raw = \"{}\"\n",
        quoted(body)
    );
    if let Some(signature) = signature {
        for part in ["header = \"X-Headcount-Signature: ", signature, "\"\n"] {
            settings += part;
        }
    }
    let failed = |error: io::Error| format!("curl: {error}");
    let mut child = Command::new(curl)
        // An address is one address: curl would take its brackets and braces for patterns of many.
        .args(["--disable", "--globoff", "--silent", "--show-error", "--output", "/dev/null"])
        .args(["--write-out", "%{http_code}", "--max-time", &TOTAL_MAX.as_secs().to_string()])
        .args(["--config", "-"])
        .env_clear()
        .envs(env.vars())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(settings.as_bytes()).map_err(failed)?;
    }
    let output = child.wait_with_output().map_err(failed)?;
    let [code, error] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it));
    match code.trim() {
        code if output.status.success() && is_taken(code) => Ok(()),
        code if output.status.success() => Err(format!("answered `{code}`")),
        _ => Err(error.trim().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::put_program;

    #[test]
    fn addresses_that_cannot_be_told_are_refused() {
        for good in [
            "http://localhost",
            "http://[::1]:8080/x?y",
            "https://example.org/hook",
            "https://h/hook?filter[id]=3&of={a,b}",
            "HTTP://localhost",
            "http://localhost:/x",
            "http://localhost:65535",
            "http://[::1]",
            "https://h:1?x",
            "Https://h/x",
        ] {
            assert_eq!(check_address(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "ftp://x",
            "httpx://h",
            "http:/h",
            "http://",
            "http:///x",
            "http://a b/",
            "http://:80/x",
            "http://h:0",
            "http://h:65536/x",
            "http://h:+80",
            "http://[::1]:x",
            "https://h:http/",
            "http://u:p@h/",
            "http://h/\"x",
        ] {
            assert!(check_address(bad).is_err(), "{bad}");
        }
        assert!(check_address(&format!("http://{}", "x".repeat(ADDRESS_MAX))).is_err());
    }

    #[test]
    fn every_address_of_a_name_is_tried_and_time_is_bounded() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = listener.local_addr().unwrap();
        // Bound and given back: nobody listens there.
        let refused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let soon = || Instant::now() + TOTAL_MAX;
        let stream = connect([refused, taken].into_iter(), soon()).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), taken);
        assert!(connect([refused].into_iter(), soon()).is_err());
        assert!(connect([].into_iter(), soon()).unwrap_err().to_string().contains("no address"));
        let late = connect([taken].into_iter(), Instant::now()).unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
        let left = [TOTAL_MAX, CONNECT_MAX, CONNECT_MAX / 2].map(attempt_within);
        assert_eq!(left, [CONNECT_MAX, CONNECT_MAX, CONNECT_MAX / 2]);
        let (mut answer, mut stream) = (listener.accept().unwrap().0, stream);
        answer.write_all(b"HTTP/1.1 204 No Content\r\nX: y\r\n").unwrap();
        assert_eq!(read_line(&mut stream, soon()).unwrap(), "HTTP/1.1 204 No Content");
        answer.write_all(&[b'x'; 2 * STATUS_MAX]).unwrap();
        read_line(&mut stream, soon()).unwrap();
        assert_eq!(read_line(&mut stream, soon()).unwrap().len(), STATUS_MAX);
        // Nothing but the limit ends a wait for what never comes.
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = TcpStream::connect(silent.local_addr().unwrap()).unwrap();
        assert!(read_line(&mut stream, Instant::now() + Duration::from_millis(1)).is_err());
    }

    #[test]
    fn only_what_was_taken_is_told_and_a_redirection_is_followed_by_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let curl = dir.path().join("curl");
        let heard = dir.path().join("heard");
        let path = format!("{}:/usr/bin:/bin", dir.path().display());
        let vars = [("HOME".into(), dir.path().into()), ("PATH".into(), path.into())];
        let env = Env::of_vars(vars.into()).unwrap();
        let check = |script: &str, expect: Result<(), &str>| {
            let script =
                format!("#!/bin/sh\n{{ echo \"$@\"; cat; }} > '{}'\n{script}\n", heard.display());
            put_program(&curl, &script);
            let address = "https://h/x?of[id]={a,b}";
            let told = post_by_curl(&env, address, "{\"a\":1}", Some("sha256=00"));
            assert_eq!(told, expect.map_err(str::to_owned));
        };
        check("printf 204", Ok(()));
        check("printf 301", Err("answered `301`"));
        check("printf 503", Err("answered `503`"));
        check("printf 000; echo 'no such host' >&2; exit 6", Err("no such host"));
        let heard = std::fs::read_to_string(&heard).unwrap();
        assert!(heard.starts_with("--disable --globoff "), "{heard}");
        assert!(heard.contains(" --max-time 30 "), "{heard}");
        assert!(heard.contains("url = \"https://h/x?of[id]={a,b}\"\n"), "{heard}");
        assert!(heard.contains("data-raw = \"{\\\"a\\\":1}\"\n"), "{heard}");
        assert!(heard.contains("header = \"X-Headcount-Signature: sha256=00\"\n"), "{heard}");
    }

    /// Test case 2 of RFC 4231.
    #[test]
    fn bodies_are_signed_with_hmac_sha256() {
        assert_eq!(
            sign("Jefe", "what do ya want for nothing?"),
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
