//! The messages of the WebSocket protocols v2 and v3 that a subscriber sees.
//!
//! Invariant: everything that comes is checked before it is used; a damaged message is an error.
//!
//! Not here: compression, which is not asked for, and calls.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use spacetime_types::bsatn::{Reader, encode_len};
use spacetime_types::json::{Flavour, write_bsatn};
use spacetime_types::{AlgebraicType, ProductType, Typespace};

/// The one set of this connection.
const QUERY_SET: u32 = 1;
const REQUEST: u32 = 1;
/// Identity, connection id.
const GREETING_BYTES: usize = 32 + 16;

/// What a subscriber is told.
#[derive(Debug, PartialEq)]
pub(super) enum ServerMessage<'a> {
    Connected,
    /// The rows at first.
    Applied(Vec<TableRows<'a>>),
    /// What a transaction changed.
    Update(Vec<TableRows<'a>>),
    /// The subscription failed, or failed later.
    Error(&'a str),
}

/// Rows of one table.
#[derive(Debug, PartialEq)]
pub(super) struct TableRows<'a> {
    pub(super) name: &'a str,
    pub(super) deletes: RowList<'a>,
    pub(super) inserts: RowList<'a>,
}

/// Rows one behind the other.
#[derive(Debug, Default, PartialEq)]
pub(super) struct RowList<'a> {
    count: usize,
    data: &'a [u8],
}

/// The request for all queries as one set.
pub(super) fn subscribe_message(queries: &[String]) -> Result<Vec<u8>> {
    let mut out = vec![0];
    out.extend_from_slice(&REQUEST.to_le_bytes());
    out.extend_from_slice(&QUERY_SET.to_le_bytes());
    encode_len(queries.len(), &mut out);
    for query in queries {
        ensure!(u32::try_from(query.len()).is_ok(), "the query is too long");
        encode_len(query.len(), &mut out);
        out.extend_from_slice(query.as_bytes());
    }
    Ok(out)
}

/// All messages of one frame.
pub(super) fn read_messages(frame: &[u8]) -> Result<Vec<ServerMessage<'_>>> {
    let damaged = "the server sent a message that cannot be read";
    let mut reader = Reader::new(frame);
    ensure!(
        reader.u8().context(damaged)? == 0,
        "the server compresses although it was asked not to"
    );
    let mut messages = Vec::new();
    while !reader.rest().is_empty() {
        messages.push(read_message(&mut reader).context(damaged)?);
    }
    Ok(messages)
}

fn read_message<'a>(reader: &mut Reader<'a>) -> Result<ServerMessage<'a>> {
    match reader.u8()? {
        0 => {
            reader.take(GREETING_BYTES)?;
            reader.str()?;
            Ok(ServerMessage::Connected)
        }
        1 => {
            reader.take(8)?;
            let tables = list(reader, |reader| {
                let name = reader.str()?;
                let inserts = row_list(reader)?;
                Ok(TableRows {
                    name,
                    deletes: RowList::default(),
                    inserts,
                })
            })?;
            Ok(ServerMessage::Applied(tables))
        }
        3 => {
            if reader.u8()? == 0 {
                reader.u32()?;
            }
            reader.u32()?;
            Ok(ServerMessage::Error(reader.str()?))
        }
        4 => {
            let sets = list(reader, |reader| {
                reader.u32()?;
                list(reader, table_update)
            })?;
            let tables = sets.into_iter().flatten().flatten();
            Ok(ServerMessage::Update(tables.collect()))
        }
        tag => bail!("message {tag} was not asked for"),
    }
}

/// One element for each query that changed.
fn table_update<'a>(reader: &mut Reader<'a>) -> Result<Vec<TableRows<'a>>> {
    let name = reader.str()?;
    list(reader, |reader| match reader.u8()? {
        0 => {
            let inserts = row_list(reader)?;
            let deletes = row_list(reader)?;
            Ok(TableRows {
                name,
                deletes,
                inserts,
            })
        }
        1 => {
            let inserts = row_list(reader)?;
            Ok(TableRows {
                name,
                deletes: RowList::default(),
                inserts,
            })
        }
        tag => bail!("{tag} is not a kind of rows"),
    })
}

fn list<'a, T>(
    reader: &mut Reader<'a>,
    mut element: impl FnMut(&mut Reader<'a>) -> Result<T>,
) -> Result<Vec<T>> {
    let count = reader.len()?;
    // Not allocated by what the count says: every element takes bytes of the message.
    let mut elements = Vec::new();
    for _ in 0..count {
        elements.push(element(reader)?);
    }
    Ok(elements)
}

fn row_list<'a>(reader: &mut Reader<'a>) -> Result<RowList<'a>> {
    match reader.u8()? {
        0 => {
            let size = usize::from(u16::from_le_bytes(reader.array("u16")?));
            let data = reader.bytes()?;
            ensure!(
                size > 0 && data.len() % size == 0,
                "rows of {size} bytes do not fill the list"
            );
            Ok(RowList {
                count: data.len() / size,
                data,
            })
        }
        1 => {
            let count = reader.len()?;
            let offsets = count.checked_mul(8).context("too many rows")?;
            reader.take(offsets)?;
            Ok(RowList {
                count,
                data: reader.bytes()?,
            })
        }
        tag => bail!("{tag} is not a kind of row list"),
    }
}

impl RowList<'_> {
    /// Every row as an object.
    pub(super) fn to_json(&self, typespace: &Typespace, row: &ProductType) -> Result<Vec<Value>> {
        let row = AlgebraicType::Product(row.clone());
        let mut reader = Reader::new(self.data);
        let mut rows = Vec::new();
        for _ in 0..self.count {
            let mut text = String::new();
            write_bsatn(typespace, &row, &mut reader, Flavour::TypedValue, &mut text)
                .context("the server sent a row that is not of its table's type")?;
            rows.push(serde_json::from_str(&text).context("a row is nested too deep")?);
        }
        reader
            .finish()
            .context("the server sent bytes behind the last row")?;
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use spacetime_types::hex;

    fn frame(body: &str) -> Vec<u8> {
        [vec![0], hex::decode(body).unwrap()].concat()
    }

    #[test]
    fn a_subscription_is_written_as_specified() {
        let message = subscribe_message(&["SELECT * FROM user".into()]).unwrap();
        assert_eq!(
            hex::encode(&message),
            "000100000001000000010000001200000053454c454354202a2046524f4d2075736572"
        );
    }

    #[test]
    fn several_messages_of_a_frame_are_read() {
        let connected = "005d262a478b8f95220f3068040c203e32ac0eedc698d84435e9a25303603500c2\
                         0f0e0d0c0b0a0908070605040302010003000000746f6b";
        let applied = "01010000000700000001000000040000007573657201020000000000000000000000\
                       0900000000000000140000000100000001000000610200000003000000626364";
        let update = "0401000000070000000100000001000000740100000000000400080000000100000002\
                      000000010000000000000000";
        let event =
            "040100000007000000010000000200000065760100000001000400080000000100000002000000";
        let error = "0300010000000700000003000000626164";
        let frame = frame(&[connected, applied, update, event, error].concat());
        let messages = read_messages(&frame).unwrap();
        let [
            ServerMessage::Connected,
            ServerMessage::Applied(user),
            ServerMessage::Update(t),
            ServerMessage::Update(ev),
            ServerMessage::Error("bad"),
        ] = messages.as_slice()
        else {
            panic!("{messages:?}");
        };
        assert_eq!((user[0].name, t[0].name, ev[0].name), ("user", "t", "ev"));
        assert_eq!(
            (t[0].inserts.count, t[0].deletes.count, ev[0].inserts.count),
            (2, 0, 2)
        );
        let column = |name: &str, ty| spacetime_types::ProductTypeElement {
            name: Some(name.into()),
            algebraic_type: ty,
        };
        let elements = [
            column("id", AlgebraicType::U32),
            column("name", AlgebraicType::String),
        ];
        let row = ProductType {
            elements: elements.into(),
        };
        let rows = user[0]
            .inserts
            .to_json(&Typespace::default(), &row)
            .unwrap();
        assert_eq!(
            rows,
            [
                json!({"id": 1, "name": "a"}),
                json!({"id": 2, "name": "bcd"})
            ]
        );
        assert!(t[0].inserts.to_json(&Typespace::default(), &row).is_err());
    }

    #[test]
    fn damage_is_an_error() {
        for body in [
            "07",
            "0400000001",
            "0401000000070000000100000001000000740100000002",
            // Rows of no bytes, and rows that do not come out even.
            "04010000000700000001000000010000007401000000000000000000000001000000000000000000",
            "0401000000070000000100000001000000740100000000000400030000000102030100000000000000",
            // A count that the frame is too short for.
            "04ffffffff",
        ] {
            assert!(read_messages(&frame(body)).is_err(), "{body}");
        }
        assert!(read_messages(&[]).is_err());
        assert!(
            read_messages(&[2, 0])
                .unwrap_err()
                .to_string()
                .contains("compresses")
        );
    }
}
