//! The two ends of the pipe: bytes read become messages, texts become bytes written.

use std::io;
use std::ops::Range;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use super::frame::{self, Decoder, FrameError, Framing};

/// Bytes read at once: a pipe's capacity on Linux.
const READ_BYTES: usize = 64 * 1024;

/// Bytes gathered for one write; a longer text still goes out whole.
const WRITE_BYTES: usize = 64 * 1024;

/// The input as messages.
pub(super) struct Input<R> {
    reader: R,
    decoder: Decoder,
    chunk: Box<[u8]>,
    /// The part of `chunk` that is not decoded yet.
    unread: Range<usize>,
}

impl<R: AsyncRead + Unpin> Input<R> {
    pub(super) fn new(reader: R, framing: Option<Framing>) -> Self {
        Self {
            reader,
            decoder: Decoder::new(framing),
            chunk: vec![0; READ_BYTES].into(),
            unread: 0..0,
        }
    }

    /// Returns the framing of the stream once its first byte is there; `None` if it ends before.
    pub(super) async fn framing(&mut self) -> Option<Framing> {
        loop {
            let mut rest = &self.chunk[self.unread.clone()];
            let framing = self.decoder.recognise(&mut rest);
            self.unread.start = self.unread.end - rest.len();
            if framing.is_some() || !self.fill().await {
                return framing;
            }
        }
    }

    /// Returns the next message; `None` at the end of input. Safe to drop: what was read stays here.
    pub(super) async fn next(&mut self) -> Option<Result<String, FrameError>> {
        loop {
            let mut rest = &self.chunk[self.unread.clone()];
            let message = self.decoder.decode(&mut rest);
            self.unread.start = self.unread.end - rest.len();
            if message.is_some() {
                return message;
            }
            if !self.fill().await {
                return self.decoder.finish();
            }
        }
    }

    /// Reads more; returns whether there was any.
    async fn fill(&mut self) -> bool {
        let count = self.reader.read(&mut self.chunk).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot read requests; taken as the end of input");
            0
        });
        self.unread = 0..count;
        count > 0
    }
}

/// Writes texts until nobody sends any more. The only writer there is.
pub(super) async fn write<W>(
    mut writer: W,
    framing: Framing,
    mut texts: mpsc::Receiver<Box<str>>,
) -> io::Result<()>
where
    W: AsyncWrite + Unpin,
{
    let mut bytes = Vec::new();
    while let Some(text) = texts.recv().await {
        frame::encode(framing, text, &mut bytes);
        while bytes.len() < WRITE_BYTES
            && let Ok(text) = texts.try_recv()
        {
            frame::encode(framing, text, &mut bytes);
        }
        writer.write_all(&bytes).await?;
        writer.flush().await?;
        bytes.clear();
        bytes.shrink_to(WRITE_BYTES);
    }
    Ok(())
}
