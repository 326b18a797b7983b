//! Records come back as they were written, and nothing that is no record does any harm.

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use spacetime_commitlog::txdata::{self, Call, Changes, Inputs, RowSet, TxVisitor, TxdataError};
use spacetime_types::bsatn::{DecodeError, Reader};
use spacetime_types::{TableId, TxOffset};

/// Rows are byte arrays in these tests: a length and as many bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TableRows {
    table: TableId,
    rows: Vec<Vec<u8>>,
}

impl RowSet for TableRows {
    fn table(&self) -> TableId {
        self.table
    }

    fn row_count(&self) -> usize {
        self.rows.len()
    }

    fn write_rows(&self, out: &mut Vec<u8>) {
        for row in &self.rows {
            let len = u32::try_from(row.len()).expect("small rows");
            out.extend_from_slice(&len.to_le_bytes());
            out.extend_from_slice(row);
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    reducer: Option<String>,
    arguments: Vec<u8>,
    outputs: Option<String>,
    inserts: Vec<(TableId, Vec<u8>)>,
    deletes: Vec<(TableId, Vec<u8>)>,
    truncates: Vec<TableId>,
    ended: bool,
}

fn take_row(rows: &mut Reader<'_>) -> Result<Vec<u8>, DecodeError> {
    let len = u32::from_le_bytes(rows.take(4)?.try_into().expect("four bytes"));
    Ok(rows.take(len as usize)?.to_vec())
}

impl TxVisitor for Seen {
    type Error = DecodeError;

    fn begin(&mut self, _: TxOffset) -> Result<(), DecodeError> {
        Ok(())
    }

    fn inputs(&mut self, inputs: Inputs<'_>) -> Result<(), DecodeError> {
        self.reducer = Some(inputs.reducer.to_owned());
        self.arguments = inputs.arguments.to_vec();
        Ok(())
    }

    fn outputs(&mut self, outputs: &str) -> Result<(), DecodeError> {
        self.outputs = Some(outputs.to_owned());
        Ok(())
    }

    fn insert(&mut self, table: TableId, rows: &mut Reader<'_>) -> Result<(), DecodeError> {
        self.inserts.push((table, take_row(rows)?));
        Ok(())
    }

    fn delete(&mut self, table: TableId, rows: &mut Reader<'_>) -> Result<(), DecodeError> {
        self.deletes.push((table, take_row(rows)?));
        Ok(())
    }

    fn truncate(&mut self, table: TableId) -> Result<(), DecodeError> {
        self.truncates.push(table);
        Ok(())
    }

    fn end(&mut self, _: TxOffset) -> Result<(), DecodeError> {
        self.ended = true;
        Ok(())
    }

    fn skip_row(&mut self, _: TableId, rows: &mut Reader<'_>) -> Result<(), DecodeError> {
        take_row(rows).map(drop)
    }
}

fn decode(bytes: &[u8]) -> Result<(Seen, usize), TxdataError<DecodeError>> {
    let mut seen = Seen::default();
    let mut reader = Reader::new(bytes);
    txdata::decode(TxOffset(0), &mut reader, &mut seen)?;
    Ok((seen, reader.offset()))
}

fn table_rows() -> impl Strategy<Value = Vec<TableRows>> {
    let rows = vec(vec(any::<u8>(), 0..20), 0..200);
    btree_map(any::<u32>().prop_map(TableId), rows, 0..4).prop_map(|tables| {
        let tables = tables.into_iter();
        tables
            .map(|(table, rows)| TableRows { table, rows })
            .collect()
    })
}

fn flat(sets: &[TableRows]) -> Vec<(TableId, Vec<u8>)> {
    let rows = sets
        .iter()
        .flat_map(|set| set.rows.iter().map(|row| (set.table, row.clone())));
    rows.collect()
}

fn encoded(
    inputs: Option<&(String, Vec<u8>)>,
    outputs: Option<&str>,
    inserts: &[TableRows],
    deletes: &[TableRows],
    truncates: &[TableId],
) -> Vec<u8> {
    let inputs = inputs.map(|(reducer, arguments)| Inputs { reducer, arguments });
    let changes = Changes {
        inserts,
        deletes,
        truncates,
    };
    let mut out = Vec::new();
    txdata::encode(inputs, outputs, Some(changes), &mut out);
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_was_written_is_read(
        inputs in proptest::option::of(("\\PC{0,60}", vec(any::<u8>(), 0..100))),
        outputs in proptest::option::of("\\PC{0,60}"),
        inserts in table_rows(),
        deletes in table_rows(),
        truncates in btree_set(any::<u32>().prop_map(TableId), 0..300),
        behind in vec(any::<u8>(), 0..10),
    ) {
        let truncates: Vec<TableId> = truncates.into_iter().collect();
        let output_text = outputs.as_deref();
        let mut bytes = encoded(inputs.as_ref(), output_text, &inserts, &deletes, &truncates);
        let len = bytes.len();
        bytes.extend_from_slice(&behind);
        let (seen, read) = decode(&bytes).expect("a good record");
        prop_assert_eq!(read, len);
        let (reducer, arguments) = inputs.unzip();
        let expected = Seen {
            reducer,
            arguments: arguments.unwrap_or_default(),
            outputs,
            inserts: flat(&inserts),
            deletes: flat(&deletes),
            truncates,
            ended: true,
        };
        prop_assert_eq!(seen, expected);
        let mut reader = Reader::new(&bytes);
        txdata::skip(&mut reader, &mut Seen::default()).expect("a good record");
        prop_assert_eq!(reader.offset(), len);
    }

    #[test]
    fn calls_round_trip(
        caller in any::<[u8; 32]>(),
        connection in any::<[u8; 16]>(),
        timestamp_micros in any::<i64>(),
        arguments in vec(any::<u8>(), 0..50),
    ) {
        let call = Call { caller, connection, timestamp_micros, arguments: &arguments };
        let bytes = call.to_bytes();
        let inputs = Inputs { reducer: "any", arguments: &bytes };
        prop_assert_eq!(inputs.call(), Some(call));
        prop_assert_eq!(Inputs { reducer: "any", arguments: &bytes[..55] }.call(), None);
    }

    #[test]
    fn random_bytes_do_no_harm(mut bytes in vec(any::<u8>(), 1..300), flags in 0_u8..8) {
        bytes[0] = flags << 5;
        let _ = decode(&bytes);
        let _ = txdata::skip(&mut Reader::new(&bytes), &mut Seen::default());
    }

    #[test]
    fn changed_records_do_no_harm(
        inserts in table_rows(),
        deletes in table_rows(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let inputs = ("name".to_owned(), vec![1; 60]);
        let mut bytes = encoded(Some(&inputs), Some("text"), &inserts, &deletes, &[TableId(7)]);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let len = bytes.len();
        if let Ok((seen, read)) = decode(&bytes) {
            prop_assert!(read <= len);
            prop_assert!(seen.ended);
            let rows = seen.inserts.len() + seen.deletes.len() + seen.truncates.len();
            prop_assert!(rows <= len, "rows out of nothing");
        }
    }
}
