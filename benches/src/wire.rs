//! A client's end of a connection: writes requests that are ready, reads answers, and looks at no more of them than it must,
//! so that the load generator costs little beside the server.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Largest answer that is read.
const LIMIT: usize = 4 << 20;

/// A connection that is kept open.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer, in the connection's buffer.
pub struct Answer<'a> {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: &'a [u8],
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4096) })
    }

    /// Sends a request and reads its answer.
    pub async fn ask(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let head = loop {
            self.read().await?;
            if let Some(end) = memmem::find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
        };
        let (status, length) = read_head(&self.buffer[..head])?;
        while self.buffer.len() < head + length {
            self.read().await?;
        }
        ensure!(self.buffer.len() == head + length, "there is more than the answer");
        Ok(Answer { status, body: &self.buffer[head..] })
    }

    async fn read(&mut self) -> Result<()> {
        ensure!(self.buffer.len() < LIMIT, "the answer does not end");
        ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the server closed the connection");
        Ok(())
    }
}

/// The status, and the length of the body. Servers on hyper write header names in small letters.
fn read_head(head: &[u8]) -> Result<(u16, usize)> {
    let status = head.get(9..12).context("the answer has no status")?;
    let status = str::from_utf8(status)?.parse()?;
    let Some(name) = memmem::find(head, b"\r\ncontent-length: ") else { bail!("the answer has no content-length") };
    let digits = &head[name + 18..];
    let end = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    Ok((status, str::from_utf8(&digits[..end])?.parse()?))
}
