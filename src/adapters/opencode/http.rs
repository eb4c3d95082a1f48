//! One bounded request on the loopback, for JSON: the little of HTTP/1.1 that an agent's own server speaks.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long a server on the same machine may take; it answers from memory, in a few milliseconds.
pub(super) const ANSWER_WAIT: Duration = Duration::from_millis(1500);
/// Most bytes of an answer: a pending permission is some 500 bytes.
const ANSWER_MAX: usize = 1 << 20;

/// Why there is no answer to read.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    #[error("{0}")]
    Unreachable(#[from] io::Error),
    #[error("no answer within {} ms", .0.as_millis())]
    TooSlow(Duration),
    #[error("an answer of more than {ANSWER_MAX} bytes")]
    TooLong,
    #[error("the answer is not HTTP")]
    NotHttp,
    #[error("status {0}")]
    Status(u16),
    #[error("the answer is not JSON")]
    NotJson,
}

/// The JSON that the server gives for `target`, a path with its query.
pub(super) async fn get_json(
    server: SocketAddr,
    target: &str,
    patience: Duration,
) -> Result<Vec<u8>, Unanswered> {
    within(patience, exchange(server, "GET", target)).await
}

/// The JSON that the server gives when it is told to do what `target` says.
pub(super) async fn post_json(server: SocketAddr, target: &str) -> Result<Vec<u8>, Unanswered> {
    within(ANSWER_WAIT, exchange(server, "POST", target)).await
}

async fn within(
    patience: Duration,
    answer: impl Future<Output = Result<Vec<u8>, Unanswered>>,
) -> Result<Vec<u8>, Unanswered> {
    let answer = tokio::time::timeout(patience, answer).await;
    answer.unwrap_or(Err(Unanswered::TooSlow(patience)))
}

async fn exchange(server: SocketAddr, verb: &str, target: &str) -> Result<Vec<u8>, Unanswered> {
    let mut stream = TcpStream::connect(server).await?;
    let request = format!(
        "{verb} {target} HTTP/1.1\r\nHost: {server}\r\nAccept: application/json\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    loop {
        let is_ended = stream.read_buf(&mut bytes).await? == 0;
        if let Some(body) = body(&bytes, is_ended)? {
            return Ok(body);
        }
        if is_ended {
            return Err(Unanswered::NotHttp);
        }
        if bytes.len() > ANSWER_MAX {
            return Err(Unanswered::TooLong);
        }
    }
}

/// The body of an answer, once it is whole; `is_ended` says that nothing more will come.
pub fn body(bytes: &[u8], is_ended: bool) -> Result<Option<Vec<u8>>, Unanswered> {
    const BLANK_LINE: &[u8] = b"\r\n\r\n";
    let Some(end) = memchr::memmem::find(bytes, BLANK_LINE) else {
        // Nothing else can become HTTP.
        let begins_well = b"HTTP/1.".iter().zip(bytes).all(|(a, b)| a == b);
        return if begins_well { Ok(None) } else { Err(Unanswered::NotHttp) };
    };
    let head = str::from_utf8(&bytes[..end]).map_err(|_| Unanswered::NotHttp)?;
    let rest = &bytes[end + BLANK_LINE.len()..];
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|it| it.strip_prefix("HTTP/1."))
        .and_then(|it| it.split(' ').nth(1)?.parse::<u16>().ok())
        .ok_or(Unanswered::NotHttp)?;
    let header = |name: &str| {
        let mut pairs = lines.clone().filter_map(|it| it.split_once(':'));
        pairs.find(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    };
    if status != 200 {
        return Err(Unanswered::Status(status));
    }
    // Unknown paths are answered with the page of the web interface, and 200.
    if !header("content-type").is_some_and(|it| it.starts_with("application/json")) {
        return Err(Unanswered::NotJson);
    }
    if header("transfer-encoding").is_some_and(|it| it.eq_ignore_ascii_case("chunked")) {
        return unchunked(rest);
    }
    match header("content-length") {
        Some(length) => {
            let length: usize = length.parse().map_err(|_| Unanswered::NotHttp)?;
            Ok(rest.get(..length).map(<[u8]>::to_vec))
        }
        None => Ok(is_ended.then(|| rest.to_vec())),
    }
}

/// Joins `5\r\nhello\r\n0\r\n\r\n`, once the last chunk is there.
fn unchunked(mut rest: &[u8]) -> Result<Option<Vec<u8>>, Unanswered> {
    let mut body = Vec::new();
    loop {
        let Some(end) = memchr::memmem::find(rest, b"\r\n") else { return Ok(None) };
        let size = str::from_utf8(&rest[..end]).ok().and_then(|it| it.split(';').next());
        let size = size.and_then(|it| usize::from_str_radix(it.trim(), 16).ok());
        let size = size.filter(|it| *it <= ANSWER_MAX).ok_or(Unanswered::NotHttp)?;
        if size == 0 {
            return Ok(Some(body));
        }
        let Some(chunk) = rest.get(end + 2..end + 2 + size) else { return Ok(None) };
        body.extend_from_slice(chunk);
        let Some(after) = rest.get(end + 2 + size + 2..) else { return Ok(None) };
        rest = after;
    }
}

#[cfg(test)]
mod tests;
