//! The messages of protocol v1 in BSATN, as far as the tests use them.

use spacetime_types::bsatn::Reader;

use super::{Form, list, number, option, row_list, text};

/// A message of the server.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    InitialSubscription {
        tables: Vec<Change>,
        request: u32,
    },
    Update(Update),
    LightUpdate {
        request: u32,
        tables: Vec<Change>,
    },
    Connected {
        identity: [u8; 32],
        token: String,
        connection: [u8; 16],
    },
    OneOff {
        message: Vec<u8>,
        error: Option<String>,
        tables: Vec<(String, Vec<Vec<u8>>)>,
    },
    Applied {
        request: u32,
        query: u32,
        table: Change,
    },
    Unapplied {
        request: u32,
        query: u32,
        table: Change,
    },
    SubscriptionError {
        request: Option<u32>,
        query: Option<u32>,
        error: String,
    },
    MultiApplied {
        request: u32,
        query: u32,
        tables: Vec<Change>,
    },
    MultiUnapplied {
        request: u32,
        query: u32,
        tables: Vec<Change>,
    },
}

/// A transaction with what caused it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    pub status: Status,
    pub caller: [u8; 32],
    pub connection: [u8; 16],
    pub reducer: String,
    pub arguments: Vec<u8>,
    pub request: u32,
}

/// How a transaction ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    Committed(Vec<Change>),
    Failed(String),
    OutOfEnergy,
}

/// The rows of one table that came and went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub table: String,
    pub inserts: Vec<Vec<u8>>,
    pub deletes: Vec<Vec<u8>>,
}

impl Form for Event {
    fn read(reader: &mut Reader<'_>) -> Self {
        match reader.u8().unwrap() {
            0 => {
                let tables = list(reader, table_update);
                let request = reader.u32().unwrap();
                let _duration = number(reader);
                Event::InitialSubscription { tables, request }
            }
            1 => Event::Update(update(reader)),
            2 => Event::LightUpdate {
                request: reader.u32().unwrap(),
                tables: list(reader, table_update),
            },
            3 => Event::Connected {
                identity: reader.array("identity").unwrap(),
                token: text(reader),
                connection: reader.array("connection").unwrap(),
            },
            4 => {
                let message = reader.bytes().unwrap().to_vec();
                let error = option(reader, text);
                let tables = list(reader, |reader| (text(reader), row_list(reader)));
                let _duration = number(reader);
                Event::OneOff {
                    message,
                    error,
                    tables,
                }
            }
            5 => {
                let (request, query) = request_and_query(reader);
                let table = subscribe_rows(reader);
                Event::Applied {
                    request,
                    query,
                    table,
                }
            }
            6 => {
                let (request, query) = request_and_query(reader);
                let table = subscribe_rows(reader);
                Event::Unapplied {
                    request,
                    query,
                    table,
                }
            }
            7 => subscription_error(reader),
            8 => {
                let (request, query) = request_and_query(reader);
                let tables = list(reader, table_update);
                Event::MultiApplied {
                    request,
                    query,
                    tables,
                }
            }
            9 => {
                let (request, query) = request_and_query(reader);
                let tables = list(reader, table_update);
                Event::MultiUnapplied {
                    request,
                    query,
                    tables,
                }
            }
            other => panic!("an unexpected message: {other}"),
        }
    }
}

fn request_and_query(reader: &mut Reader<'_>) -> (u32, u32) {
    let request = reader.u32().unwrap();
    let _duration = number(reader);
    (request, reader.u32().unwrap())
}

fn subscribe_rows(reader: &mut Reader<'_>) -> Change {
    let _table_id = reader.u32().unwrap();
    let name = text(reader);
    let change = table_update(reader);
    assert_eq!(change.table, name);
    change
}

fn subscription_error(reader: &mut Reader<'_>) -> Event {
    let _duration = number(reader);
    let request = option(reader, |reader| reader.u32().unwrap());
    let query = option(reader, |reader| reader.u32().unwrap());
    let _table = option(reader, |reader| reader.u32().unwrap());
    Event::SubscriptionError {
        request,
        query,
        error: text(reader),
    }
}

fn update(reader: &mut Reader<'_>) -> Update {
    let status = match reader.u8().unwrap() {
        0 => Status::Committed(list(reader, table_update)),
        1 => Status::Failed(text(reader)),
        2 => Status::OutOfEnergy,
        other => panic!("an unknown status: {other}"),
    };
    let _timestamp = number(reader);
    let caller = reader.array("identity").unwrap();
    let connection = reader.array("connection").unwrap();
    let reducer = text(reader);
    let _reducer_id = reader.u32().unwrap();
    let arguments = reader.bytes().unwrap().to_vec();
    let request = reader.u32().unwrap();
    let _energy: [u8; 16] = reader.array("u128").unwrap();
    let _duration = number(reader);
    Update {
        status,
        caller,
        connection,
        reducer,
        arguments,
        request,
    }
}

fn table_update(reader: &mut Reader<'_>) -> Change {
    let _table_id = reader.u32().unwrap();
    let table = text(reader);
    let row_count = number(reader);
    let (mut inserts, mut deletes) = (Vec::new(), Vec::new());
    list(reader, |reader| {
        assert_eq!(reader.u8().unwrap(), 0, "an inner compression");
        deletes.extend(row_list(reader));
        inserts.extend(row_list(reader));
    });
    let found = inserts.len() + deletes.len();
    assert_eq!(usize::try_from(row_count).unwrap(), found, "row count");
    Change {
        table,
        inserts,
        deletes,
    }
}
