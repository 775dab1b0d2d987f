use super::*;

/// A message with its type and length.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = i32::try_from(body.len() + 4).expect("a short message");
    let mut bytes = vec![kind];
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// Short messages whose bodies are given in parts.
fn messages(parts: &[(u8, &[&[u8]])]) -> BytesMut {
    let one = |(kind, body): &(u8, &[&[u8]])| message(*kind, &body.concat());
    BytesMut::from_iter(parts.iter().flat_map(one))
}

/// A connection that PostgreSQL has let in as process 77.
fn connected() -> Postgres {
    let mut postgres = Postgres::default();
    let mut up = BytesMut::from(&[0, 0, 0, 8, 0, 3, 0, 0][..]);
    assert!(postgres.said(&mut up).expect("a start").statement.is_none());
    let mut down = messages(&[
        (b'R', &[&[0, 0, 0, 0]]),
        (b'K', &[&[0, 0, 0, 77], &[0, 0, 0, 1]]),
        (b'Z', &[b"I"]),
    ]);
    assert!(returned(&mut postgres, &mut down).is_empty());
    assert_eq!(postgres.pid(), Some(77));
    postgres
}

/// Everything that was answered in these bytes.
fn returned(postgres: &mut Postgres, down: &mut BytesMut) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(heard) = postgres.heard(down) {
        texts.extend(heard.returned.map(|(_, text)| text));
    }
    assert!(down.is_empty());
    texts
}

const SELECT: &[u8] =
    b"SELECT \"skus\".\"available_units\" FROM \"skus\" WHERE sku = $1";

#[test]
fn a_simple_query_is_a_statement() {
    let mut postgres = connected();
    let mut up = messages(&[(b'Q', &[b"BEGIN\0"])]);
    let said = postgres.said(&mut up).expect("a query");
    assert_eq!(said.statement.expect("a statement").sql, "BEGIN");
    let mut down = messages(&[(b'C', &[b"BEGIN\0"]), (b'Z', &[b"T"])]);
    assert_eq!(returned(&mut postgres, &mut down), ["BEGIN"]);
}

#[test]
fn a_prepared_statement_is_shown_when_it_runs_with_parameters_and_result() {
    let mut postgres = connected();
    // Parse, Describe, Sync: nothing runs.
    let mut up = messages(&[
        (b'P', &[b"s1\0", SELECT, b"\0", &[0, 0]]),
        (b'D', &[b"Ss1\0"]),
        (b'S', &[]),
    ]);
    assert!(
        postgres
            .said(&mut up)
            .expect("all three")
            .statement
            .is_none()
    );
    let column: &[&[u8]] = &[
        &[0, 1],
        b"available_units\0",
        &[0, 0, 0, 1, 0, 2],
        &[0, 0, 0, 20],
        &[0, 8, 0, 0, 0, 0, 0, 0],
    ];
    let mut down = messages(&[
        (b'1', &[]),
        (b't', &[&[0, 1, 0, 0, 0, 25]]),
        (b'T', column),
        (b'Z', &[b"T"]),
    ]);
    assert!(returned(&mut postgres, &mut down).is_empty());

    // Bind, Execute, Sync: one parameter and one column, both binary.
    let mut up = messages(&[
        (
            b'B',
            &[
                b"\0s1\0",
                &[0, 1, 0, 1],
                &[0, 1, 0, 0, 0, 3],
                b"tee",
                &[0, 1, 0, 1],
            ],
        ),
        (b'E', &[b"\0", &[0, 0, 0, 0]]),
        (b'S', &[]),
    ]);
    let whole = up.clone();
    let mut part = up.split_to(10);
    assert!(postgres.said(&mut part).is_none());
    part.extend_from_slice(&up);
    let said = postgres.said(&mut part).expect("the rest");
    assert_eq!(said.bytes, whole);
    let statement = said.statement.expect("a statement");
    assert_eq!(statement.sql.as_bytes(), SELECT);
    assert_eq!(statement.parameters, ["'tee'"]);
    assert_eq!(
        statement.readable,
        "SELECT available_units FROM skus WHERE sku = 'tee'"
    );

    let mut down = messages(&[
        (b'2', &[]),
        (b'D', &[&[0, 1, 0, 0, 0, 8], &1_i64.to_be_bytes()]),
        (b'C', &[b"SELECT 1\0"]),
        (b'Z', &[b"T"]),
    ]);
    assert_eq!(returned(&mut postgres, &mut down), ["available_units = 1"]);
}

#[test]
fn an_error_and_no_row_are_results() {
    let mut postgres = connected();
    let mut up = messages(&[(b'Q', &[b"a\0"]), (b'Q', &[b"b\0"])]);
    while postgres.said(&mut up).is_some() {}
    let mut down = messages(&[
        (b'E', &[b"SERROR\0", b"C40P01\0", b"Mdeadlock\0", b"\0"]),
        (b'Z', &[b"E"]),
        (b'C', &[b"SELECT 0\0"]),
        (b'Z', &[b"I"]),
    ]);
    let texts = returned(&mut postgres, &mut down);
    assert_eq!(texts, ["ERROR: deadlock", "no row"]);
}

#[test]
fn what_cannot_be_read_is_passed_on_as_it_is() {
    let mut postgres = connected();
    let mut up = messages(&[(b'B', &[&[9]]), (b'S', &[])]);
    let whole = up.clone();
    let said = postgres.said(&mut up).expect("both");
    assert_eq!(said.bytes, whole);
    assert!(said.statement.is_none());
    let mut down = messages(&[(b'D', &[&[9]]), (b'Z', &[b"I"])]);
    assert!(returned(&mut postgres, &mut down).is_empty());
}

#[test]
fn the_deaf_hear_everything_but_notifications_however_the_packets_are_cut() {
    let news: (u8, &[&[u8]]) = (b'A', &[&[0, 0, 0, 1], b"news\0", b"from afar\0"]);
    let row: (u8, &[&[u8]]) = (b'D', &[b"A row"]);
    let ready: (u8, &[&[u8]]) = (b'Z', &[b"I"]);
    let said = messages(&[row, news, ready, news, row]);
    for size in 1..=said.len() {
        let mut postgres = connected();
        let (mut down, mut deaf, mut all) =
            (BytesMut::new(), BytesMut::new(), BytesMut::new());
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
