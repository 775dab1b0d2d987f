use postgres_protocol::IsNull;
use postgres_protocol::message::frontend;

use super::*;

/// What a server says: short messages, each with its type and its body in parts.
fn messages(parts: &[(u8, &[&[u8]])]) -> BytesMut {
    let mut bytes = BytesMut::new();
    for (kind, body) in parts {
        let body = body.concat();
        let length = u8::try_from(body.len() + 4).expect("a short message");
        bytes.extend_from_slice(&[*kind, 0, 0, 0, length]);
        bytes.extend_from_slice(&body);
    }
    bytes
}

/// A connection that PostgreSQL has let in as process 77.
fn connected() -> Postgres {
    let mut postgres = Postgres::default();
    let mut up = BytesMut::from(&[0, 0, 0, 8, 0, 3, 0, 0][..]);
    assert!(postgres.said(&mut up).expect("a start").statement.is_none());
    let process = &[&[0, 0, 0, 77][..], &[0, 0, 0, 1]];
    let down = messages(&[(b'R', &[&[0, 0, 0, 0]]), (b'K', process), (b'Z', &[b"I"])]);
    assert!(returned(&mut postgres, down).is_empty());
    assert_eq!(postgres.pid(), Some(77));
    postgres
}

/// Everything that was answered in these bytes.
fn returned(postgres: &mut Postgres, mut down: BytesMut) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(heard) = postgres.heard(&mut down) {
        texts.extend(heard.returned.map(|(_, text)| text));
    }
    assert!(down.is_empty());
    texts
}

#[test]
fn simple_queries_are_statements_and_an_error_and_no_row_are_results() {
    let mut postgres = connected();
    for (sql, kind, body, shown) in [
        ("BEGIN", b'C', &b"BEGIN\0"[..], "BEGIN"),
        ("SELECT 1", b'C', b"SELECT 0\0", "no row"),
        (
            "COMMIT",
            b'E',
            b"SERROR\0C40P01\0Mdeadlock\0\0",
            "ERROR: deadlock",
        ),
    ] {
        let mut up = BytesMut::new();
        frontend::query(sql, &mut up).expect("a query");
        let said = postgres.said(&mut up).expect("a query");
        assert_eq!(said.statement.expect("a statement").sql, sql);
        let down = messages(&[(kind, &[body]), (b'Z', &[b"T"])]);
        assert_eq!(returned(&mut postgres, down), [shown]);
    }
}

#[test]
fn a_prepared_statement_is_shown_when_it_runs_with_parameters_and_result() {
    const SELECT: &str =
        "SELECT \"skus\".\"available_units\" FROM \"skus\" WHERE sku = $1";
    let mut postgres = connected();
    // Nothing runs.
    let mut up = BytesMut::new();
    frontend::parse("s1", SELECT, [], &mut up).expect("a statement");
    frontend::describe(b'S', "s1", &mut up).expect("a name");
    frontend::sync(&mut up);
    assert!(postgres.said(&mut up).expect("all").statement.is_none());
    let column: &[&[u8]] = &[
        &[0, 1],
        b"available_units\0",
        &[0, 0, 0, 1, 0, 2],
        &[0, 0, 0, 20],
        &[0, 8, 0, 0, 0, 0, 0, 0],
    ];
    let parameter: &[&[u8]] = &[&[0, 1, 0, 0, 0, 25]];
    let down = messages(&[
        (b'1', &[]),
        (b't', parameter),
        (b'T', column),
        (b'Z', &[b"T"]),
    ]);
    assert!(returned(&mut postgres, down).is_empty());

    // One parameter and one column, both binary.
    let put = |text: &str, to: &mut BytesMut| {
        to.extend_from_slice(text.as_bytes());
        Ok(IsNull::No)
    };
    let bound = frontend::bind("", "s1", [1], ["tee"], put, [1], &mut up);
    assert!(bound.is_ok());
    frontend::execute("", 0, &mut up).expect("a name");
    frontend::sync(&mut up);
    let whole = up.clone();
    let mut part = up.split_to(10);
    assert!(postgres.said(&mut part).is_none());
    part.extend_from_slice(&up);
    let said = postgres.said(&mut part).expect("the rest");
    assert_eq!(said.bytes, whole);
    let statement = said.statement.expect("a statement");
    assert_eq!(statement.sql, SELECT);
    assert_eq!(statement.parameters, ["'tee'"]);
    let readable = "SELECT available_units FROM skus WHERE sku = 'tee'";
    assert_eq!(statement.readable, readable);

    let row: &[&[u8]] = &[&[0, 1, 0, 0, 0, 8], &1_i64.to_be_bytes()];
    let down = messages(&[
        (b'2', &[]),
        (b'D', row),
        (b'C', &[b"SELECT 1\0"]),
        (b'Z', &[b"T"]),
    ]);
    assert_eq!(returned(&mut postgres, down), ["available_units = 1"]);
}

#[test]
fn what_cannot_be_read_is_passed_on_as_it_is() {
    let mut postgres = connected();
    let mut up = messages(&[(b'B', &[&[9]]), (b'S', &[])]);
    let whole = up.clone();
    let said = postgres.said(&mut up).expect("both");
    assert_eq!(said.bytes, whole);
    assert!(said.statement.is_none());
    let down = messages(&[(b'D', &[&[9]]), (b'Z', &[b"I"])]);
    assert!(returned(&mut postgres, down).is_empty());
}

#[test]
fn the_deaf_hear_everything_but_notifications_however_the_packets_are_cut() {
    let news: (u8, &[&[u8]]) = (b'A', &[&[0, 0, 0, 1], b"news\0", b"from afar\0"]);
    let row: (u8, &[&[u8]]) = (b'D', &[b"A row"]);
    let ready: (u8, &[&[u8]]) = (b'Z', &[b"I"]);
    let said = messages(&[row, news, ready, news, row]);
    for size in 1..=said.len() {
        let mut postgres = connected();
        let mut down = BytesMut::new();
        let (mut deaf, mut all) = (Vec::new(), Vec::new());
        for packet in said.chunks(size) {
            down.extend_from_slice(packet);
            while let Some(heard) = postgres.heard(&mut down) {
                all.extend_from_slice(&heard.bytes);
                if !heard.is_news {
                    deaf.extend_from_slice(&heard.bytes);
                }
            }
        }
        assert_eq!(deaf, messages(&[row, ready, row]), "{size}");
        assert_eq!(all, said, "{size}");
    }
}
