//! Lines and what is in them.

use std::io;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::interfaces::api::{Answer, Fault, Request};

/// The protocol's version. A change that the other side cannot understand makes it 2.
pub const VERSION: u32 = 1;

/// A request on its way.
#[derive(Debug, Serialize, Deserialize)]
pub struct Asked {
    /// The protocol's version.
    pub v: u32,
    /// Comes back with the answer.
    pub id: u64,
    /// What is asked.
    pub request: Request,
}

/// Only the head of a request, for one of another version.
#[derive(Debug, Deserialize)]
pub struct AskedHead {
    /// The protocol's version.
    pub v: u32,
    /// Comes back with the answer.
    pub id: u64,
}

/// An answer on its way.
#[derive(Debug, Serialize, Deserialize)]
pub struct Answered {
    /// The protocol's version.
    pub v: u32,
    /// The request's number.
    pub id: u64,
    /// The answer.
    pub result: Result<Answer, Fault>,
}

/// The next line without its end; `None` at the end of the stream. `InvalidData` when it is longer than `most` bytes.
pub async fn read_line(stream: &mut (impl AsyncBufRead + Unpin), most: usize) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let mut bounded = stream.take(most as u64 + 1);
    if bounded.read_until(b'\n', &mut line).await? == 0 {
        return Ok(None);
    }
    match line.pop() {
        Some(b'\n') => Ok(Some(line)),
        Some(_) if line.len() >= most => {
            let problem = format!("a line is longer than {most} bytes");
            Err(io::Error::new(io::ErrorKind::InvalidData, problem))
        }
        // The other side left in the middle of a line.
        Some(_) | None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Reads a value from a line.
pub fn parse<T: DeserializeOwned>(line: &[u8]) -> io::Result<T> {
    serde_json::from_slice(line).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
}

/// Writes a value as a line.
pub async fn write_line(stream: &mut (impl AsyncWrite + Unpin), value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    stream.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::limits;
    use tokio::io::BufReader;

    #[tokio::test]
    async fn one_byte_past_the_bound_is_refused() {
        let mut line = vec![b'x'; limits::SOCKET_LINE_BYTES + 1];
        line.push(b'\n');
        let read = read_line(&mut BufReader::new(&*line), limits::SOCKET_LINE_BYTES).await;
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::InvalidData);
        let fits = read_line(&mut BufReader::new(&line[1..]), limits::SOCKET_LINE_BYTES).await.unwrap();
        assert_eq!(fits.map(|line| line.len()), Some(limits::SOCKET_LINE_BYTES));
    }

    #[tokio::test]
    async fn half_a_line_is_no_line() {
        let read = read_line(&mut BufReader::new(&b"{\"v\":1"[..]), 100).await;
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
