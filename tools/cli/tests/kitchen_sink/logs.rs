//! The log of a database.

use std::io::{BufRead as _, BufReader};

use serde_json::{Value, json};

use crate::Sink;

impl Sink {
    /// The log's records.
    pub fn log_records(&self, query: &str) -> Vec<Value> {
        let server = &self.server;
        let route = format!("database/{}/logs?{query}", self.database);
        let request = server.http().get(server.v1(&route));
        let text = server
            .send(request.bearer_auth(&self.owner.token))
            .unwrap_or_else(|refusal| panic!("{refusal:?}"));
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

#[test]
fn lines_of_every_level_are_kept() {
    let sink = Sink::publish("log-levels");
    sink.call(
        "log_all_levels",
        json!(["\"quoted\" caf\u{e9}\nsecond line"]),
    );
    let records = sink.log_records("num_lines=5");
    let levels: Vec<&str> = records
        .iter()
        .map(|record| record["level"].as_str().unwrap())
        .collect();
    assert_eq!(levels, ["Trace", "Debug", "Info", "Warn", "Error"]);
    for record in &records {
        let level = record["level"].as_str().unwrap().to_lowercase();
        let message = format!("{level}: \"quoted\" caf\u{e9}\nsecond line");
        assert_eq!(record["message"], message);
        assert_eq!(record["function"], "log_all_levels");
        assert!(record["filename"].as_str().unwrap().ends_with("logging.rs"));
        assert!(record["line_number"].as_u64().unwrap() > 0);
        assert!(record["ts"].as_i64().unwrap() > 1_700_000_000_000_000);
        assert_eq!(record.as_object().unwrap().keys().next().unwrap(), "level");
    }
    let all = sink.log_records("");
    assert!(
        all.iter().any(|record| record["message"] == "init"),
        "{all:?}"
    );
}

#[test]
fn a_failed_call_leaves_its_lines() {
    let sink = Sink::publish("log-failures");
    assert!(
        sink.try_call("log_and_fail", json!(["it went wrong"]))
            .is_err()
    );
    let records = sink.log_records("");
    let found = records
        .iter()
        .any(|record| record["level"] == "Warn" && record["message"] == "it went wrong");
    assert!(found, "{records:?}");
}

#[test]
fn many_and_long_lines() {
    let sink = Sink::publish("log-many");
    sink.call("log_many", json!([3000]));
    let records = sink.log_records("num_lines=10");
    assert_eq!(records.len(), 10);
    assert_eq!(records[0]["message"], "line 2990");
    assert_eq!(records[9]["message"], "line 2999");
    assert!(sink.log_records("").len() >= 3000);
    sink.call("log_long", json!([100_000]));
    let records = sink.log_records("num_lines=1");
    assert!(records[0]["message"].as_str().unwrap().starts_with("xxxx"));
    sink.call("log_stopwatch", json!([]));
    let records = sink.log_records("num_lines=1");
    assert!(
        records[0]["message"]
            .as_str()
            .unwrap()
            .contains("stopwatch"),
        "{records:?}"
    );
}

#[test]
fn a_follower_gets_lines_as_they_are_written() {
    let sink = Sink::publish("log-follow");
    let server = &sink.server;
    sink.call("log_many", json!([2]));
    let route = format!("database/{}/logs?follow=true&num_lines=1", sink.database);
    let answer = server
        .http()
        .get(server.v1(&route))
        .bearer_auth(&sink.owner.token)
        .send()
        .unwrap();
    assert_eq!(answer.headers()["content-type"], "application/x-ndjson");
    let mut lines = BufReader::new(answer).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next()["message"], "line 1");
    sink.call("log_all_levels", json!(["live"]));
    assert_eq!(next()["message"], "trace: live");
    assert_eq!(next()["message"], "debug: live");
}

#[test]
fn only_the_owner_reads_the_log() {
    let sink = Sink::publish("log-owner");
    let stranger = sink.server.new_login();
    let route = format!("database/{}/logs", sink.database);
    let request = sink.server.http().get(sink.server.v1(&route));
    let refused = sink
        .server
        .send(request.bearer_auth(&stranger.token))
        .unwrap_err();
    assert_eq!(refused.status, 403);
    assert!(
        refused.text.ends_with("view module logs"),
        "{}",
        refused.text
    );
}
