//! The messages of protocols v2 and v3.

use spacetime_types::bsatn::{self, Reader};

use super::{Closed, Form, Options, Socket, list, number, option, row_list, text};
use crate::harness::{Login, Server};

/// A message of the server.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    Connected {
        identity: [u8; 32],
        connection: [u8; 16],
        token: String,
    },
    Applied {
        request: u32,
        set: u32,
        tables: Vec<Rows>,
    },
    Unapplied {
        request: u32,
        set: u32,
        tables: Option<Vec<Rows>>,
    },
    SubscriptionError {
        request: Option<u32>,
        set: u32,
        error: String,
    },
    Update(Vec<Change>),
    OneOff {
        request: u32,
        result: Result<Vec<Rows>, String>,
    },
    Reducer {
        request: u32,
        timestamp: i64,
        outcome: Outcome,
    },
    Procedure {
        request: u32,
        result: Result<Vec<u8>, String>,
    },
}

/// The rows of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    pub table: String,
    pub rows: Vec<Vec<u8>>,
}

/// What a transaction changed in one query of a set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    pub set: u32,
    pub table: String,
    pub inserts: Vec<Vec<u8>>,
    pub deletes: Vec<Vec<u8>>,
    pub events: Vec<Vec<u8>>,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Ok(Vec<Change>),
    OkEmpty,
    /// The reducer's own error.
    Err(String),
    Internal(String),
}

impl Outcome {
    /// The changes of a call that succeeded.
    #[track_caller]
    pub fn changes(self) -> Vec<Change> {
        match self {
            Outcome::Ok(changes) => changes,
            Outcome::OkEmpty => Vec::new(),
            failed => panic!("{failed:?}"),
        }
    }
}

impl Form for Event {
    fn read(reader: &mut Reader<'_>) -> Self {
        match reader.u8().unwrap() {
            0 => Event::Connected {
                identity: reader.array("identity").unwrap(),
                connection: reader.array("connection").unwrap(),
                token: text(reader),
            },
            1 => Event::Applied {
                request: reader.u32().unwrap(),
                set: reader.u32().unwrap(),
                tables: query_rows(reader),
            },
            2 => Event::Unapplied {
                request: reader.u32().unwrap(),
                set: reader.u32().unwrap(),
                tables: option(reader, query_rows),
            },
            3 => Event::SubscriptionError {
                request: option(reader, |reader| reader.u32().unwrap()),
                set: reader.u32().unwrap(),
                error: text(reader),
            },
            4 => Event::Update(changes(reader)),
            5 => Event::OneOff {
                request: reader.u32().unwrap(),
                result: result(reader, query_rows),
            },
            6 => Event::Reducer {
                request: reader.u32().unwrap(),
                timestamp: number(reader),
                outcome: outcome(reader),
            },
            7 => {
                let result = result(reader, |reader| reader.bytes().unwrap().to_vec());
                let (_timestamp, _duration) = (number(reader), number(reader));
                Event::Procedure {
                    request: reader.u32().unwrap(),
                    result,
                }
            }
            other => panic!("an unknown message: {other}"),
        }
    }
}

/// A connection that has got its first message.
#[derive(Debug)]
pub struct Client {
    pub socket: Socket,
    pub identity: [u8; 32],
    pub connection: [u8; 16],
    pub token: String,
    last_request: u32,
}

impl Client {
    /// Connects with `V2` or `V3`.
    #[track_caller]
    pub fn open(server: &Server, database: &str, protocol: &str, options: &Options<'_>) -> Self {
        Self::try_open(server, database, protocol, options).unwrap()
    }

    /// The same as `login`, with protocol v2.
    #[track_caller]
    pub fn of(server: &Server, database: &str, login: &Login) -> Self {
        Self::open(server, database, super::V2, &Options::of(login))
    }

    /// The same, where the database may end the connection before its first message.
    #[track_caller]
    pub fn try_open(
        server: &Server,
        database: &str,
        protocol: &str,
        options: &Options<'_>,
    ) -> Result<Self, Closed> {
        let mut socket = Socket::try_open(server, database, protocol, options).unwrap();
        assert_eq!(socket.protocol, protocol);
        match socket.try_next()? {
            Event::Connected {
                identity,
                connection,
                token,
            } => Ok(Client {
                socket,
                identity,
                connection,
                token,
                last_request: 0,
            }),
            other => panic!("the first message is {other:?}"),
        }
    }

    pub fn next(&mut self) -> Event {
        self.socket.next()
    }

    /// The changes of the next message, which has to be an update.
    #[track_caller]
    pub fn next_update(&mut self) -> Vec<Change> {
        match self.next() {
            Event::Update(changes) => changes,
            other => panic!("not an update: {other:?}"),
        }
    }

    /// Subscribes, and waits for the rows or the error.
    pub fn subscribe(&mut self, set: u32, queries: &[&str]) -> Result<Vec<Rows>, String> {
        let sent = self.next_request();
        let queries: Vec<String> = queries.iter().map(|&query| query.to_owned()).collect();
        self.socket.send(bsatn::to_vec(&(0u8, sent, set, queries)));
        match self.next() {
            Event::Applied {
                request,
                set: answered,
                tables,
            } => {
                assert_eq!((request, answered), (sent, set));
                Ok(tables)
            }
            Event::SubscriptionError {
                request,
                set: answered,
                error,
            } => {
                assert_eq!((request, answered), (Some(sent), set));
                Err(error)
            }
            other => panic!("not the answer to a subscription: {other:?}"),
        }
    }

    /// Ends a subscription, and waits for its rows (if asked for) or the error.
    pub fn unsubscribe(&mut self, set: u32, with_rows: bool) -> Result<Option<Vec<Rows>>, String> {
        let sent = self.next_request();
        let flags = u8::from(with_rows);
        self.socket.send(bsatn::to_vec(&(1u8, sent, set, flags)));
        match self.next() {
            Event::Unapplied {
                request,
                set: answered,
                tables,
            } => {
                assert_eq!((request, answered), (sent, set));
                Ok(tables)
            }
            Event::SubscriptionError { request, error, .. } => {
                assert_eq!(request, Some(sent));
                Err(error)
            }
            other => panic!("not the answer to an unsubscription: {other:?}"),
        }
    }

    /// Runs one query.
    pub fn query(&mut self, query: &str) -> Result<Vec<Rows>, String> {
        let sent = self.next_request();
        self.socket
            .send(bsatn::to_vec(&(2u8, sent, query.to_owned())));
        match self.next() {
            Event::OneOff { request, result } => {
                assert_eq!(request, sent);
                result
            }
            other => panic!("not the answer to a query: {other:?}"),
        }
    }

    /// The bytes that call a reducer.
    pub fn call_bytes(request: u32, reducer: &str, arguments: &[u8]) -> Vec<u8> {
        bsatn::to_vec(&(3u8, request, 0u8, reducer.to_owned(), arguments.to_vec()))
    }

    /// Calls a reducer and waits for its end. No update may come in between.
    pub fn call(&mut self, reducer: &str, arguments: &[u8]) -> Outcome {
        let sent = self.next_request();
        self.socket.send(Self::call_bytes(sent, reducer, arguments));
        match self.next() {
            Event::Reducer {
                request,
                timestamp,
                outcome,
            } => {
                assert_eq!(request, sent);
                assert!(timestamp > 1_600_000_000_000_000, "{timestamp}");
                outcome
            }
            other => panic!("not the answer to a call: {other:?}"),
        }
    }

    /// Calls a procedure; its answer is one of the next messages.
    pub fn start_procedure(&mut self, procedure: &str, arguments: &[u8]) -> u32 {
        let sent = self.next_request();
        let call = (4u8, sent, 0u8, procedure.to_owned(), arguments.to_vec());
        self.socket.send(bsatn::to_vec(&call));
        sent
    }

    fn next_request(&mut self) -> u32 {
        self.last_request += 1;
        self.last_request
    }
}

fn query_rows(reader: &mut Reader<'_>) -> Vec<Rows> {
    list(reader, |reader| Rows {
        table: text(reader),
        rows: row_list(reader),
    })
}

fn result<T>(
    reader: &mut Reader<'_>,
    read: impl FnOnce(&mut Reader<'_>) -> T,
) -> Result<T, String> {
    match reader.u8().unwrap() {
        0 => Ok(read(reader)),
        1 => Err(text(reader)),
        other => panic!("an unknown tag of a result: {other}"),
    }
}

fn outcome(reader: &mut Reader<'_>) -> Outcome {
    match reader.u8().unwrap() {
        0 => {
            let value = reader.bytes().unwrap();
            assert!(value.is_empty(), "a reducer has no value: {value:?}");
            Outcome::Ok(changes(reader))
        }
        1 => Outcome::OkEmpty,
        2 => Outcome::Err(bsatn::from_slice_exact(reader.bytes().unwrap()).unwrap()),
        3 => Outcome::Internal(text(reader)),
        other => panic!("an unknown outcome: {other}"),
    }
}

fn changes(reader: &mut Reader<'_>) -> Vec<Change> {
    let sets = list(reader, |reader| {
        let set = reader.u32().unwrap();
        list(reader, |reader| table_changes(set, reader))
    });
    sets.into_iter().flatten().flatten().collect()
}

fn table_changes(set: u32, reader: &mut Reader<'_>) -> Vec<Change> {
    let table = text(reader);
    list(reader, |reader| {
        let mut change = Change {
            set,
            table: table.clone(),
            ..Change::default()
        };
        match reader.u8().unwrap() {
            0 => {
                change.inserts = row_list(reader);
                change.deletes = row_list(reader);
            }
            1 => change.events = row_list(reader),
            other => panic!("an unknown kind of update: {other}"),
        }
        change
    })
}
