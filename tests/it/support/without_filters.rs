//! A proxy to Postgres that takes every condition on the tenant out of the statements that are prepared, as all are
//! that have conditions. So the program that runs is the one that is shipped, with all its statements.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;

/// Where a tenant is named in a table.
const COLUMNS: [&str; 2] = ["account_id", "parent_id"];

/// Opens a way to the server that listens at `socket`, and returns the folder where it begins. For as long as the process
/// lives, in threads of its own: a runtime of tokio ends with its test.
pub fn open(folder: &Path, socket: &Path, port: u16) -> PathBuf {
    let name = format!(".s.PGSQL.{port}");
    let (listener, server) = (UnixListener::bind(folder.join(&name)).unwrap(), socket.join(name));
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), UnixStream::connect(&server).unwrap());
            let (mut from_server, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            // Either end may go at any time, as a connection does.
            thread::spawn(move || {
                let _ = io::copy(&mut from_server, &mut to_client);
                let _ = to_client.shutdown(Shutdown::Both);
            });
            thread::spawn(move || {
                let _ = pass_on(client, &server);
                let _ = server.shutdown(Shutdown::Both);
            });
        }
    });
    folder.to_owned()
}

/// Messages of the frontend (Postgres' documentation, "Message Formats"): a length and a body; after the first also a type
/// before them.
fn pass_on(mut client: UnixStream, mut server: &UnixStream) -> io::Result<()> {
    let first = body(&mut client)?;
    server.write_all(&message(&[], &first))?;
    // What works on the whole installation has no tenant, so its conditions are not filters on one.
    let mut is_for_every_tenant = false;
    loop {
        let mut kind = [0];
        client.read_exact(&mut kind)?;
        let mut body = body(&mut client)?;
        if kind == *b"Q" {
            is_for_every_tenant = String::from_utf8_lossy(&body).contains("set local credenza.every_account");
        }
        if kind == *b"P" && !is_for_every_tenant {
            body = parse_without_filters(&body);
        }
        server.write_all(&message(&kind, &body))?;
    }
}

pub(super) fn body(client: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    client.read_exact(&mut length)?;
    let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
    client.read_exact(&mut body)?;
    Ok(body)
}

pub(super) fn message(kind: &[u8], body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [kind, &length.to_be_bytes(), body].concat()
}

/// A Parse message: the statement's name, its text, the types of its parameters.
fn parse_without_filters(body: &[u8]) -> Vec<u8> {
    let mut parts = body.splitn(3, |byte| *byte == 0);
    let (name, text, types) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
    let text = without_filters(std::str::from_utf8(text).unwrap());
    [name, &[0], text.as_bytes(), &[0], types].concat()
}

/// A statement or a function whose conditions `account_id = …` and `parent_id = …` hold for every row.
pub fn without_filters(sql: &str) -> String {
    let (mut rest, mut result) = (sql, String::new());
    while let Some((start, value)) = next_filter(rest) {
        let condition = rest[start..].find('=').unwrap() + start + 2;
        // A parameter that is no longer used would have to be left out of the call as well.
        result += &[&rest[..start], "(", value, " is not null)"].concat();
        rest = &rest[condition + value.len()..];
    }
    result + rest
}

/// The next condition on the tenant: where it starts, with the alias of its table, and what the column is compared to.
fn next_filter(sql: &str) -> Option<(usize, &str)> {
    let is_word = |c: char| c.is_alphanumeric() || "_.$".contains(c);
    let found = COLUMNS.iter().flat_map(|column| sql.match_indices(column)).filter_map(|(at, column)| {
        let value = sql[at + column.len()..].strip_prefix(" = ")?;
        let value = &value[..value.find(|c| !is_word(c)).unwrap_or(value.len())];
        let start = sql[..at].rfind(|c| !is_word(c)).map_or(0, |before| before + 1);
        // `acting_account_id` is another column.
        (start == at || sql[..at].ends_with('.')).then_some((start, value))
    });
    found.min()
}

#[test]
fn conditions_on_the_tenant_go_and_everything_else_stays() {
    for (sql, expected) in [
        ("select 1 from t where account_id = $1 and id = $2", "select 1 from t where ($1 is not null) and id = $2"),
        ("from a left join b on b.account_id = a.account_id", "from a left join b on (a.account_id is not null)"),
        ("where a.parent_id = $1 and (a.is_active or $2)", "where ($1 is not null) and (a.is_active or $2)"),
        ("where account_id = account;", "where (account is not null);"),
        ("on p.id = a.parent_id where acting_account_id = 3", "on p.id = a.parent_id where acting_account_id = 3"),
    ] {
        assert_eq!(without_filters(sql), expected);
    }
}
