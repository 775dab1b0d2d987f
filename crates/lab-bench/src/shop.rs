//! What is on sale, and what a server says to who buys it.

use std::io::Write;
use std::net::SocketAddr;

use anyhow::{Context, ensure};
use diesel::sql_types::{BigInt, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::arm::Work;
use crate::wire::{Template, parse};

/// Forgets all orders, so that every block finds the same tables, and puts new SKUs on
/// sale.
pub(crate) async fn put_on_sale(
    conn: &mut AsyncPgConnection,
    prefix: &str,
    work: Work,
) -> anyhow::Result<()> {
    conn.batch_execute("TRUNCATE orders").await?;
    diesel::sql_query(
        "INSERT INTO skus (sku, initial_units, available_units)
         SELECT $1 || '-' || lpad(number::text, 4, '0'), $2, $2
           FROM generate_series(0, $3 - 1) AS number",
    )
    .bind::<Text, _>(prefix)
    .bind::<BigInt, _>(i64::from(work.units()))
    .bind::<BigInt, _>(i64::from(work.skus()))
    .execute(conn)
    .await
    .context("cannot put units on sale")?;
    Ok(())
}

/// Buys the only unit of a SKU and then asks once more; returns files with both answers.
pub(crate) async fn learn_answers(
    address: SocketAddr,
    prefix: &str,
    first_buyer: u64,
) -> anyhow::Result<[NamedTempFile; 2]> {
    let mut template = Template::new(address, prefix, 1);
    let mut learn = async |buyer, status: &str| {
        let answer = ask(address, template.of_buyer(buyer)?).await?;
        ensure!(answer.starts_with(status), "no {status} but {answer}");
        let mut file = NamedTempFile::new()?;
        file.write_all(answer.as_bytes())?;
        anyhow::Ok(file)
    };
    let order = learn(first_buyer, "HTTP/1.1 201").await?;
    Ok([order, learn(first_buyer + 1, "HTTP/1.1 409").await?])
}

/// Sends a request and returns the answer as it came.
async fn ask(address: SocketAddr, request: &[u8]) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request).await?;
    let mut answer = Vec::new();
    while parse(&answer)?.is_none() {
        let read = stream.read_buf(&mut answer).await?;
        ensure!(read > 0, "the server closed the connection");
    }
    Ok(String::from_utf8(answer)?)
}
