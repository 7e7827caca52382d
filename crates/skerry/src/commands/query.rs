//! `skerry query …`: pages until the end.

use http::Method;
use serde_json::{Value, json};

use crate::args::QueryArgs;
use crate::client::Client;
use crate::failure::Failure;
use crate::output;

pub async fn run(args: QueryArgs) -> Result<(), Failure> {
    let mut client = Client::connect(&args.target).await?;
    if args.target.json {
        let rows = rows(&mut client, &args.text, args.page_size, args.top).await?;
        return output::json(&rows.into());
    }
    // One row a line as it comes, so that a long answer needs no memory and pipes well.
    let mut left = args.top.unwrap_or(usize::MAX);
    let mut pages = Pages::new(&args.text, args.page_size);
    while let Some(page) = pages.next(&mut client).await? {
        for row in page.into_iter().take(left) {
            output::line(&row.to_string())?;
            left -= 1;
        }
        if left == 0 {
            break;
        }
    }
    Ok(())
}

/// Every row of a query, at most `top`.
pub async fn rows(
    client: &mut Client,
    text: &str,
    page_size: usize,
    top: Option<usize>,
) -> Result<Vec<Value>, Failure> {
    let top = top.unwrap_or(usize::MAX);
    let mut all = Vec::new();
    let mut pages = Pages::new(text, page_size.min(top));
    while all.len() < top
        && let Some(page) = pages.next(client).await?
    {
        all.extend(page);
    }
    all.truncate(top);
    Ok(all)
}

struct Pages {
    body: Value,
    page_size: String,
    continuation: Option<String>,
    ended: bool,
}

impl Pages {
    fn new(text: &str, page_size: usize) -> Self {
        let page_size = page_size.max(1).to_string();
        Self { body: json!({"query": text}), page_size, continuation: None, ended: false }
    }

    async fn next(&mut self, client: &mut Client) -> Result<Option<Vec<Value>>, Failure> {
        if self.ended {
            return Ok(None);
        }
        let mut headers = vec![("x-ms-max-item-count", self.page_size.as_str())];
        if let Some(continuation) = &self.continuation {
            headers.push(("x-ms-continuation", continuation));
        }
        let answer = client.call(Method::POST, "/devices/query", Some(&self.body), &headers).await?;
        self.continuation =
            answer.header("x-ms-continuation").filter(|token| !token.is_empty()).map(str::to_owned);
        self.ended = self.continuation.is_none();
        match answer.body {
            Value::Array(rows) => Ok(Some(rows)),
            _ => Err(Failure::failed("the hub's answer to the query is not a list")),
        }
    }
}
