//! Telling an address by POST, signed where there is a secret.
//!
//! `http://` is spoken here, in some forty lines. `https://` goes through the `curl` of the system: it has the roots, the
//! proxies and the policies of this machine, and one webhook is no reason for a TLS library of our own.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::process::{Command, Stdio};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::env::Env;
use crate::protocol::fuse::FuseExpired;

/// How long each step of telling may take.
const STEP_MAX: Duration = Duration::from_secs(10);
/// How long all of it may take with `curl`, in seconds.
const TOTAL_MAX: &str = "30";
/// Longest address, in bytes.
const ADDRESS_MAX: usize = 2048;

/// Says why a text is no address that can be told.
pub fn check_address(address: &str) -> Result<(), &'static str> {
    if address.len() > ADDRESS_MAX {
        return Err("is longer than 2048 bytes");
    }
    if !address.bytes().all(|it| it.is_ascii_graphic() && it != b'"' && it != b'\\') {
        return Err("holds what has to be escaped in an address");
    }
    let rest = address.strip_prefix("http://").or_else(|| address.strip_prefix("https://"));
    match rest.map(|it| it.split(['/', '?', '#']).next().unwrap_or_default()) {
        None => Err("is neither `http://` nor `https://`"),
        Some("") => Err("names no host"),
        Some(host) if host.contains('@') => Err("holds a name or password"),
        Some(_) => Ok(()),
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
    match address.strip_prefix("http://") {
        Some(rest) => post_plain(rest, &body, signature.as_deref()).map_err(|it| it.to_string()),
        None => post_by_curl(env, address, &body, signature.as_deref()),
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
    let with_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let place = if with_port { host.to_owned() } else { format!("{host}:80") };
    let unreachable = || io::Error::other(format!("`{place}` has no address"));
    let place = place.to_socket_addrs()?.next().ok_or_else(unreachable)?;
    let mut stream = TcpStream::connect_timeout(&place, STEP_MAX)?;
    stream.set_read_timeout(Some(STEP_MAX))?;
    stream.set_write_timeout(Some(STEP_MAX))?;
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
    stream.write_all(request.as_bytes())?;
    let mut status = String::new();
    io::Read::take(BufReader::new(stream), 1024).read_line(&mut status)?;
    match status.split(' ').nth(1) {
        Some(code) if code.len() == 3 && code.starts_with('2') => Ok(()),
        _ => Err(io::Error::other(format!("answered `{}`", status.trim()))),
    }
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
        .args(["--disable", "--silent", "--show-error", "--fail", "--max-time", TOTAL_MAX])
        .args(["--config", "-"])
        .env_clear()
        .envs(env.vars())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(settings.as_bytes()).map_err(failed)?;
    }
    let output = child.wait_with_output().map_err(failed)?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_cannot_be_told_are_refused() {
        for good in ["http://localhost", "http://[::1]:8080/x?y", "https://example.org/hook"] {
            assert_eq!(check_address(good), Ok(()), "{good}");
        }
        for bad in
            ["", "ftp://x", "http://", "http:///x", "http://a b/", "http://u:p@h/", "http://h/\"x"]
        {
            assert!(check_address(bad).is_err(), "{bad}");
        }
        assert!(check_address(&format!("http://{}", "x".repeat(ADDRESS_MAX))).is_err());
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
