//! Cuts a byte stream into JSON texts and wraps JSON texts for one; does no I/O, so every split can be tested.

use std::mem;

use memchr::{memchr, memchr2};

/// The longest message accepted, in bytes: far above any honest request, far below what would hurt the machine.
pub const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;

/// The longest header block accepted, in bytes, line ends included: real ones stay under a hundred.
pub const MAX_HEADER_BYTES: usize = 8 * 1024;

/// How messages are told apart on the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// `Content-Length: N`, a blank line, then N bytes, as the Language Server Protocol does.
    ContentLength,
    /// One JSON text a line.
    Lines,
}

/// Why a stretch of input is not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The message exceeds [`MAX_MESSAGE_BYTES`]; the rest of it is skipped.
    #[error("message longer than {MAX_MESSAGE_BYTES} bytes")]
    TooLong,
    /// The message is not UTF-8.
    #[error("message is not UTF-8")]
    NotUtf8,
    /// The input ended inside a message.
    #[error("input ended inside a message")]
    Truncated,
    /// The header block is at fault but tells the message's length: the message is skipped.
    #[error("broken header block: {0}")]
    Header(HeaderFault),
    /// The header block does not tell where the message ends: nothing after it can be understood.
    #[error("framing lost: {0}")]
    Lost(HeaderFault),
}

impl FrameError {
    /// Returns whether no later byte of the stream can be understood.
    pub fn is_fatal(self) -> bool {
        matches!(self, Self::Lost(_))
    }
}

/// What is wrong with a header block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// A line has no `name: value`.
    #[error("a header line is not `name: value`")]
    NotAField,
    /// The block has no `Content-Length`.
    #[error("no `Content-Length`")]
    NoLength,
    /// `Content-Length` is not a number, or two of them differ.
    #[error("`Content-Length` is not one number")]
    BadLength,
    /// `Content-Type` names a charset other than UTF-8.
    #[error("`Content-Type` names a charset other than utf-8")]
    NotUtf8,
    /// The block exceeds [`MAX_HEADER_BYTES`].
    #[error("header block longer than {MAX_HEADER_BYTES} bytes")]
    TooLong,
    /// A JSON text stands where a header block should: the peer sends one JSON text a line.
    #[error("a JSON text where a `Content-Length` header was expected")]
    JsonText,
}

/// Turns chunks of bytes into messages, keeping at most one unfinished message.
#[derive(Debug)]
pub struct Decoder {
    framing: Option<Framing>,
    state: State,
    /// The line or body so far; never more than [`MAX_MESSAGE_BYTES`].
    buffer: Vec<u8>,
}

/// What some programs write before the first text, to say that it is UTF-8: pipes of Windows' PowerShell do.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

#[derive(Debug)]
enum State {
    /// Only blanks so far, and so many bytes of a byte order mark.
    Opening {
        mark: usize,
    },
    Line,
    /// The rest of a line that was too long.
    SkippedLine,
    Header(Header),
    Body {
        missing: usize,
    },
    /// The rest of a body that is too long or has a fault in its header.
    SkippedBody {
        missing: u64,
    },
    Lost,
}

/// What a header block has said so far.
#[derive(Debug, Default)]
struct Header {
    size: usize,
    length: Option<u64>,
    has_fields: bool,
    fault: Option<HeaderFault>,
}

type Decoded = Result<String, FrameError>;

impl Decoder {
    /// Creates a decoder; without a framing the first non-blank byte decides.
    pub fn new(framing: Option<Framing>) -> Self {
        Self { framing, state: State::Opening { mark: 0 }, buffer: Vec::new() }
    }

    /// Returns the framing of the stream, skipping a byte order mark and blanks until the first byte that shows it.
    pub fn recognise(&mut self, input: &mut &[u8]) -> Option<Framing> {
        if let State::Opening { mark } = &mut self.state {
            if *mark == 0 {
                *input = input.trim_ascii_start();
            }
            while let Some(expected) = BYTE_ORDER_MARK.get(*mark)
                && input.first() == Some(expected)
            {
                split_off(input, 1);
                *mark += 1;
            }
            if *mark == BYTE_ORDER_MARK.len() {
                *input = input.trim_ascii_start();
            }
            let first = input.first()?;
            // What only began like a mark belongs to the first message.
            if *mark < BYTE_ORDER_MARK.len() {
                self.buffer.extend_from_slice(&BYTE_ORDER_MARK[..*mark]);
            }
            let framing = self.framing.unwrap_or(match first {
                b'C' | b'c' => Framing::ContentLength,
                // Whatever it is, the next newline ends it, and the answer will say it is not JSON.
                _ => Framing::Lines,
            });
            self.framing = Some(framing);
            self.state = State::between(framing);
        }
        self.framing
    }

    /// Takes bytes off the front of `input` up to the end of the next message, and returns that message.
    ///
    /// `None` means that `input` is used up and the message is not whole yet.
    pub fn decode(&mut self, input: &mut &[u8]) -> Option<Decoded> {
        while !input.is_empty() {
            let found = match &mut self.state {
                State::Opening { .. } => {
                    self.recognise(input);
                    None
                }
                State::Line => self.line(input),
                State::SkippedLine => {
                    self.skip_line(input);
                    None
                }
                State::Header(_) => self.header_line(input),
                State::Body { missing } => {
                    let part = split_off(input, *missing);
                    *missing -= part.len();
                    let whole = *missing == 0;
                    self.buffer.extend_from_slice(part);
                    whole.then(|| self.message())
                }
                State::SkippedBody { missing } => {
                    let part = split_off(input, usize::try_from(*missing).unwrap_or(usize::MAX));
                    *missing -= part.len() as u64;
                    if *missing == 0 {
                        self.state = State::Header(Header::default());
                    }
                    None
                }
                State::Lost => {
                    *input = &[];
                    None
                }
            };
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// Returns what the end of input leaves: a last line without its newline is a message.
    pub fn finish(&mut self) -> Option<Decoded> {
        match mem::replace(&mut self.state, State::Lost) {
            State::Line if !self.buffer.trim_ascii().is_empty() => Some(self.text()),
            State::Body { .. } => Some(Err(FrameError::Truncated)),
            State::Header(header) if header.size > 0 => Some(Err(FrameError::Truncated)),
            _ => None,
        }
    }

    fn line(&mut self, input: &mut &[u8]) -> Option<Decoded> {
        let newline = memchr(b'\n', input);
        let part = split_off(input, newline.unwrap_or(input.len()));
        if self.buffer.len() + part.len() > MAX_MESSAGE_BYTES {
            self.buffer = Vec::new();
            self.state = State::SkippedLine;
            return Some(Err(FrameError::TooLong));
        }
        self.buffer.extend_from_slice(part);
        newline?;
        split_off(input, 1);
        if self.buffer.trim_ascii().is_empty() {
            self.buffer.clear();
            return None;
        }
        Some(self.message())
    }

    fn skip_line(&mut self, input: &mut &[u8]) {
        match memchr(b'\n', input) {
            Some(newline) => {
                split_off(input, newline + 1);
                self.state = State::Line;
            }
            None => *input = &[],
        }
    }

    fn header_line(&mut self, input: &mut &[u8]) -> Option<Decoded> {
        let State::Header(header) = &mut self.state else { return None };
        let newline = memchr(b'\n', input);
        let part = split_off(input, newline.map_or(input.len(), |at| at + 1));
        header.size += part.len();
        if header.size > MAX_HEADER_BYTES {
            return Some(self.lose(HeaderFault::TooLong));
        }
        self.buffer.extend_from_slice(part);
        newline?;

        let line = self.buffer.trim_ascii();
        if !line.is_empty() {
            let read = header.field(line);
            self.buffer.clear();
            return read.err().map(|fault| self.lose(fault));
        }
        self.buffer.clear();
        if !header.has_fields {
            *header = Header::default();
            return None;
        }
        self.end_of_header()
    }

    fn end_of_header(&mut self) -> Option<Decoded> {
        let State::Header(header) = &self.state else { return None };
        let fault = header.fault;
        let Some(length) = header.length else {
            return Some(self.lose(fault.unwrap_or(HeaderFault::NoLength)));
        };
        let refusal = match fault {
            Some(fault) => Some(FrameError::Header(fault)),
            None if length > MAX_MESSAGE_BYTES as u64 => Some(FrameError::TooLong),
            None => None,
        };
        if let Some(refusal) = refusal {
            self.state = match length {
                0 => State::Header(Header::default()),
                missing => State::SkippedBody { missing },
            };
            return Some(Err(refusal));
        }
        let missing = usize::try_from(length).expect("at most MAX_MESSAGE_BYTES");
        self.state = State::Body { missing };
        (missing == 0).then(|| self.message())
    }

    fn message(&mut self) -> Decoded {
        self.state = State::between(self.framing.unwrap_or(Framing::Lines));
        self.text()
    }

    fn text(&mut self) -> Decoded {
        String::from_utf8(mem::take(&mut self.buffer)).map_err(|_| FrameError::NotUtf8)
    }

    fn lose(&mut self, fault: HeaderFault) -> Decoded {
        self.state = State::Lost;
        self.buffer = Vec::new();
        Err(FrameError::Lost(fault))
    }
}

impl State {
    /// Returns the state before the first byte of a message.
    fn between(framing: Framing) -> Self {
        match framing {
            Framing::ContentLength => Self::Header(Header::default()),
            Framing::Lines => Self::Line,
        }
    }
}

impl Header {
    /// Notes one line of the block; an error means that the length of the message cannot be known.
    fn field(&mut self, line: &[u8]) -> Result<(), HeaderFault> {
        self.has_fields = true;
        if matches!(line[0], b'{' | b'[') {
            return Err(HeaderFault::JsonText);
        }
        let Some(colon) = memchr(b':', line).filter(|at| *at > 0) else {
            self.fault = Some(HeaderFault::NotAField);
            return Ok(());
        };
        let (name, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = decimal(value).ok_or(HeaderFault::BadLength)?;
            if self.length.is_some_and(|before| before != length) {
                return Err(HeaderFault::BadLength);
            }
            self.length = Some(length);
        } else if name.eq_ignore_ascii_case(b"content-type") && !allows_utf8(value) {
            self.fault = Some(HeaderFault::NotUtf8);
        }
        Ok(())
    }
}

/// Returns a number written in digits only; `str::parse` would take a sign too.
fn decimal(value: &[u8]) -> Option<u64> {
    let digits =
        str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse().ok()
}

/// Returns whether a `Content-Type` leaves the charset open or names UTF-8; `utf8` is what old clients write.
fn allows_utf8(content_type: &[u8]) -> bool {
    content_type.split(|byte| *byte == b';').skip(1).all(|parameter| {
        let Some(equals) = memchr(b'=', parameter) else { return true };
        let name = parameter[..equals].trim_ascii();
        let value = parameter[equals + 1..].trim_ascii();
        let value =
            value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
        !name.eq_ignore_ascii_case(b"charset")
            || value.eq_ignore_ascii_case(b"utf-8")
            || value.eq_ignore_ascii_case(b"utf8")
    })
}

/// Takes up to `count` bytes off the front of `input`.
fn split_off<'a>(input: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (front, rest) = input.split_at(count.min(input.len()));
    *input = rest;
    front
}

/// Appends one JSON text to `out`, framed.
pub fn encode(framing: Framing, text: Box<str>, out: &mut Vec<u8>) {
    match framing {
        Framing::ContentLength => {
            out.extend_from_slice(format!("Content-Length: {}\r\n\r\n", text.len()).as_bytes());
            append(text, out);
        }
        Framing::Lines => {
            let start = out.len();
            append(text, out);
            // A line end in a JSON text can only be white space between tokens, as in a document printed for people.
            let mut rest = &mut out[start..];
            while let Some(at) = memchr2(b'\n', b'\r', rest) {
                rest[at] = b' ';
                rest = &mut rest[at + 1..];
            }
            out.push(b'\n');
        }
    }
}

/// The first text becomes the output itself: a list of thousands of sessions is not copied once more.
fn append(text: Box<str>, out: &mut Vec<u8>) {
    if out.is_empty() {
        *out = text.into_string().into_bytes();
    } else {
        out.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests;
