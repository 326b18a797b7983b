//! A connection that only listens: it subscribes once and takes what it is told.
//!
//! Not here: when to stop listening, and what the rows should have been (see `fanout`).

use std::io::{self, Read, Write};

use anyhow::{Context, Result, bail, ensure};
use mio::net::TcpStream;
use spacetime_types::bsatn::{self, Encode as _, Reader};

use crate::connection::{Target, closed, open_stream};
use crate::frame::{self, Event, Inbox};

const SUBSCRIBE: u8 = 0;
const SUBSCRIBE_APPLIED: u8 = 1;
const TRANSACTION_UPDATE: u8 = 4;
const MASK: [u8; 4] = [7, 11, 13, 17];
const FIXED_SIZE: u8 = 0;
const PERSISTENT_TABLE: u8 = 0;

/// What a subscriber is told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Told<'a> {
    /// A query set is active. So many bytes of rows came with it.
    Applied { row_bytes: usize },
    /// A row that came with a transaction.
    Row(&'a [u8]),
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Subscriber {
    stream: TcpStream,
    inbox: Inbox,
    outbox: Vec<u8>,
    /// Bytes received since the connection was opened.
    pub received_bytes: u64,
    /// WebSocket messages received.
    pub frames: u64,
}

impl Subscriber {
    /// Connects, upgrades, and waits for the server's first message.
    pub(crate) fn open(target: &Target) -> Result<Self> {
        let (stream, inbox) = open_stream(target)?;
        stream.set_nonblocking(true)?;
        Ok(Subscriber {
            stream: TcpStream::from_std(stream),
            inbox,
            outbox: Vec::new(),
            received_bytes: 0,
            frames: 0,
        })
    }

    pub(crate) fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Asks for a query set. It has to be sent.
    pub(crate) fn subscribe(&mut self, set: u32, queries: &[String]) {
        let mut request = vec![SUBSCRIBE];
        set.encode(&mut request);
        set.encode(&mut request);
        bsatn::encode_len(queries.len(), &mut request);
        for query in queries {
            query.as_str().encode(&mut request);
        }
        frame::write_binary(&request, MASK, &mut self.outbox);
    }

    /// Sends what is ready, as far as the kernel takes it.
    pub(crate) fn send(&mut self) -> Result<()> {
        while !self.outbox.is_empty() {
            match self.stream.write(&self.outbox) {
                Ok(0) => bail!("the server closed the connection"),
                Ok(len) => drop(self.outbox.drain(..len)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("sending to the server"),
            }
        }
        Ok(())
    }

    /// Receives what has arrived and hands it to `take`.
    pub(crate) fn receive(&mut self, mut take: impl FnMut(Told<'_>)) -> Result<()> {
        loop {
            let space = self.inbox.space();
            let space_len = space.len();
            let len = match self.stream.read(space) {
                Ok(0) => bail!("the server closed the connection without a word"),
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return self.send(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error).context("receiving from the server"),
            };
            self.received_bytes += len as u64;
            self.inbox.received(len);
            while let Some(event) = self.inbox.next()? {
                match event {
                    Event::Ping(bytes) => frame::write_pong(bytes, MASK, &mut self.outbox),
                    Event::Close(bytes) => return Err(closed(bytes)),
                    Event::Message(payload) => {
                        self.frames += 1;
                        read(payload, &mut take)?;
                    }
                }
            }
            if len < space_len {
                return self.send();
            }
        }
    }

    /// Tells the server that this side is done; does not wait for its answer.
    pub(crate) fn close(mut self) {
        frame::write_close(MASK, &mut self.outbox);
        // The run is over: whether the server hears it changes no figure.
        let _ = self.send();
    }
}

/// Takes the messages of a payload apart.
fn read(payload: &[u8], take: &mut impl FnMut(Told<'_>)) -> Result<()> {
    let mut reader = Reader::new(payload);
    ensure!(reader.u8()? == 0, "the server compressed a message");
    while !reader.rest().is_empty() {
        match reader.u8()? {
            SUBSCRIBE_APPLIED => {
                reader.take(8)?;
                let mut row_bytes = 0;
                for _ in 0..reader.u32()? {
                    reader.str()?;
                    row_bytes += rows(&mut reader)?.1.len();
                }
                take(Told::Applied { row_bytes });
            }
            TRANSACTION_UPDATE => {
                for _ in 0..reader.u32()? {
                    reader.u32()?;
                    for _ in 0..reader.u32()? {
                        reader.str()?;
                        for _ in 0..reader.u32()? {
                            read_change(&mut reader, take)?;
                        }
                    }
                }
            }
            3 => bail!("the server refused a subscription"),
            tag => bail!("the server sent a message with tag {tag}"),
        }
    }
    Ok(())
}

fn read_change(reader: &mut Reader<'_>, take: &mut impl FnMut(Told<'_>)) -> Result<()> {
    ensure!(reader.u8()? == PERSISTENT_TABLE, "a row of an event table");
    let (size, inserts) = rows(reader)?;
    let (_, deletes) = rows(reader)?;
    ensure!(
        inserts.len() == deletes.len(),
        "rows came without others going"
    );
    let size = size.context("rows of different sizes")?;
    for row in inserts.chunks_exact(size) {
        take(Told::Row(row));
    }
    Ok(())
}

/// A row list: the size of its rows, if they have one, and their bytes.
fn rows<'a>(reader: &mut Reader<'a>) -> Result<(Option<usize>, &'a [u8])> {
    let size = match reader.u8()? {
        FIXED_SIZE => {
            let low = reader.u8()?;
            Some(usize::from(u16::from_le_bytes([low, reader.u8()?])))
        }
        _ => {
            let offsets = reader.u32()? as usize;
            reader.take(offsets.saturating_mul(8))?;
            None
        }
    };
    Ok((size.filter(|size| *size > 0), reader.bytes()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digit = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (0..hex.len()).step_by(2).map(digit).collect()
    }

    #[test]
    fn rows_and_answers_are_found_in_one_payload() {
        let applied = "010100000007000000010000000100000074000400080000000100000002000000";
        let rows = "0004000800000003000000040000000004000800000001000000\
                    02000000";
        let update = format!("0401000000070000000100000001000000740100000000{rows}");
        let mut told = Vec::new();
        read(&bytes(&format!("00{applied}{update}")), &mut |it| {
            told.push(match it {
                Told::Applied { row_bytes } => format!("applied {row_bytes}"),
                Told::Row(row) => format!("row {}", row[0]),
            });
        })
        .unwrap();
        assert_eq!(told, ["applied 8", "row 3", "row 4"]);
        assert!(read(&bytes("0003"), &mut |_| {}).is_err());
        assert!(read(&bytes(&format!("01{applied}")), &mut |_| {}).is_err());
    }
}
