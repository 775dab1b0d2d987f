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

/// A connection that PostgreSQL has let in.
fn connected() -> Postgres {
    let mut postgres = Postgres::default();
    let mut up = BytesMut::from(&[0, 0, 0, 8, 0, 3, 0, 0][..]);
    assert!(postgres.said(&mut up).expect("a start").statement.is_none());
    let down = messages(&[(b'R', &[&[0; 4]]), (b'Z', &[b"I"])]);
    assert!(returned(&mut postgres, down).is_empty());
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
    let failed = b"SERROR\0C40P01\0Mdeadlock\0\0";
    for (sql, kind, body, shown) in [
        ("BEGIN", b'C', &b"BEGIN\0"[..], "BEGIN"),
        ("SELECT 1", b'C', b"SELECT 0\0", "no row"),
        ("COMMIT", b'E', failed, "ERROR: deadlock"),
    ] {
        let mut up = BytesMut::new();
        frontend::query(sql, &mut up).expect("a query");
        let mut part = up.split_to(3);
        assert!(postgres.said(&mut part).is_none());
        part.unsplit(up);
        let said = postgres.said(&mut part).expect("a query");
        assert_eq!(said.statement.expect("a statement").sql, sql);
        let down = messages(&[(kind, &[body]), (b'Z', &[b"T"])]);
        assert_eq!(returned(&mut postgres, down), [shown]);
    }
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
