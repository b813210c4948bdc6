//! A proxy to Postgres that counts the statements executed through it, simple queries included.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use sqlx::postgres::PgConnectOptions;

use super::cluster::scratch_folder;
use super::without_filters::{body, message};

/// How many statements were asked so far.
#[derive(Clone, Default)]
pub struct Statements(Arc<AtomicUsize>);

impl Statements {
    pub fn so_far(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// The same way in, through one that counts. For as long as the process lives, in threads of its own.
pub fn counted(straight: &PgConnectOptions) -> (PgConnectOptions, Statements) {
    let (folder, counter) = (scratch_folder("counted"), Statements::default());
    let name = format!(".s.PGSQL.{}", straight.get_port());
    let listener = UnixListener::bind(folder.join(&name)).unwrap();
    let (server, statements) = (straight.get_socket().unwrap().join(name), counter.clone());
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), UnixStream::connect(&server).unwrap());
            let (mut from_server, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            // Either end may go at any time, as a connection does.
            thread::spawn(move || {
                let _ = io::copy(&mut from_server, &mut to_client);
                let _ = to_client.shutdown(Shutdown::Both);
            });
            let statements = statements.clone();
            thread::spawn(move || {
                let _ = pass_on(client, &server, &statements);
                let _ = server.shutdown(Shutdown::Both);
            });
        }
    });
    (straight.clone().socket(folder), counter)
}

/// Messages of the frontend (Postgres' documentation, "Message Formats").
fn pass_on(mut client: UnixStream, mut server: &UnixStream, statements: &Statements) -> io::Result<()> {
    let first = body(&mut client)?;
    server.write_all(&message(&[], &first))?;
    loop {
        let mut kind = [0];
        client.read_exact(&mut kind)?;
        let body = body(&mut client)?;
        // Execute, and a query without parameters.
        if kind == *b"E" || kind == *b"Q" {
            statements.0.fetch_add(1, Ordering::SeqCst);
        }
        server.write_all(&message(&kind, &body))?;
    }
}
