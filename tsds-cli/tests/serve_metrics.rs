//! A database that serves its metrics.
#![allow(missing_docs, clippy::disallowed_methods, reason = "a test of a program")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg(all(unix, feature = "serve-metrics"))]

mod common;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::Place;

/// A port that nobody listens on now.
fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

fn get(address: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: tsds\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// Asks until the answer holds what is wanted.
fn wait_for(child: &mut Child, address: &str, wanted: &str) -> String {
    let mut answer = String::new();
    for _ in 0..1_200 {
        answer = get(address).unwrap_or_default();
        if answer.contains(wanted) {
            return answer;
        }
        assert_eq!(child.try_wait().unwrap(), None, "it has ended");
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("it does not say {wanted}: {answer}");
}

#[test]
fn metrics_are_served_until_the_process_is_told_to_stop() {
    let place = Place::new();
    place.ok(&["demo", "5000", "--no-queries", "--json"]);
    let address = free_address();
    let mut command = place.command(&["serve-metrics", "--listen", &address]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let answer = wait_for(&mut child, &address, "tsds_tier_bytes{tier=\"cold\"}");
    assert!(answer.contains("# TYPE tsds_buffer_rows gauge"), "{answer}");
    assert!(!answer.contains("tsds_tier_bytes{tier=\"warm\"} 0\n"), "{answer}");
    Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(child.wait().unwrap().success());
    // It has let go of the database.
    place.ok(&["stats"]);
}

#[test]
fn an_address_that_is_taken_is_named() {
    let place = Place::new();
    place.ok(&["demo", "10", "--no-queries", "--json"]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let complaint = place.refused(1, &["serve-metrics", "--listen", &address]);
    assert!(complaint.contains(&address) && complaint.contains("--listen"), "{complaint}");
}
