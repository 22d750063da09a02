//! A server that speaks S3, by somebody else: moto, as a process of its own on loopback.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// Starts the server on a free port, says which, and ends it when nobody holds the other end of its input any more.
const PROGRAM: &str = "
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address='127.0.0.1', port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
";

/// The interpreter that runs it.
fn python() -> String {
    std::env::var("TSDS_PYTHON").unwrap_or_else(|_| "python3".into())
}

/// Why no server can be started here, if none can.
pub fn absent() -> Option<String> {
    let import = Command::new(python()).args(["-c", "import moto.server"]).output();
    match import {
        Ok(output) if output.status.success() => None,
        _ => Some("needs the S3 server moto: pip install 'moto[server]'".into()),
    }
}

#[derive(Debug)]
pub struct Server {
    process: Child,
    port: u16,
}

impl Server {
    /// A server that believes everybody.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// A server that checks signatures after the first request. It knows nobody.
    pub fn start_strict() -> Self {
        Self::start_with(&[("INITIAL_NO_AUTH_ACTION_COUNT", "1")])
    }

    fn start_with(variables: &[(&str, &str)]) -> Self {
        let mut process = Command::new(python())
            .args(["-c", PROGRAM])
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { port: line.trim().parse().unwrap(), process }
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn make_bucket(&self, name: &str) {
        let answer = self.request("PUT", &format!("/{name}"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// The keys of a bucket's uploads that were begun and neither completed nor aborted.
    pub fn open_uploads(&self, bucket: &str) -> usize {
        self.request("GET", &format!("/{bucket}?uploads")).matches("<Upload>").count()
    }

    /// An unsigned request without a body, and all of its answer.
    pub fn request(&self, method: &str, target: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
