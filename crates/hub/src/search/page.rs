//! Runs a query and gives one page of its answer.

use std::sync::Arc;

use serde_json::{Map, Value};
use skerry_model::ErrorCode;
use skerry_model::limits::{QUERY_PAGE_DEFAULT, QUERY_PAGE_MAX};
use skerry_query::syntax::{AggregateFunction, Output};
use skerry_query::{AggregateError, Aggregation, Query, ResultKind, Source};
use skerry_store::documents::{Accept, Document, Position, ReadError, Scan};

use super::narrow::narrow;
use super::row::DocumentRow;
use super::token::{After, Continuation};
use crate::registry::Registry;
use crate::spaces::{DEVICES, MODULES};

/// Groups of one aggregation.
const GROUPS_MAX: usize = 10_000;
/// Bytes of documents that a page may hold while it is made; then it ends early.
const PAGE_BYTES_MAX: usize = 16 << 20;

/// A query as a client sends it.
#[derive(Clone, Debug, Default)]
pub struct QueryRequest {
    pub text: String,
    /// Rows the client wants at most; bounded silently.
    pub page_size: Option<usize>,
    /// From the page before.
    pub continuation: Option<String>,
}

/// One page. `continuation` is absent on the last one.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryPage {
    pub rows: Vec<Map<String, Value>>,
    pub kind: ResultKind,
    pub continuation: Option<String>,
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum SearchError {
    #[error("the query cannot be used, {0}")]
    Query(#[from] skerry_query::Error),
    #[error("the continuation token is not one of this query, start again without it")]
    Continuation,
    #[error("the query cannot be answered, {0}")]
    Aggregate(#[from] AggregateError),
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl SearchError {
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Query(_) | Self::Continuation | Self::Aggregate(_) => ErrorCode::ArgumentInvalid,
            Self::Read(_) => ErrorCode::ServiceUnavailable,
        }
    }
}

/// Answers queries from the registry's documents.
#[derive(Clone)]
pub struct Searcher {
    registry: Registry,
}

impl Searcher {
    pub fn new(registry: Registry) -> Self {
        Self { registry }
    }

    pub async fn run(&self, request: &QueryRequest) -> Result<QueryPage, SearchError> {
        let query = Arc::new(Query::parse(&request.text)?);
        let continuation = match request.continuation.as_deref().filter(|text| !text.is_empty()) {
            Some(text) => {
                let found = Continuation::decode(text).filter(|found| found.query == query.hash());
                Some(found.ok_or(SearchError::Continuation)?)
            }
            None => None,
        };
        let size =
            request.page_size.filter(|size| *size > 0).unwrap_or(QUERY_PAGE_DEFAULT).min(QUERY_PAGE_MAX);
        let left = continuation.as_ref().map_or(query.select.top, |continuation| continuation.left);
        let size = left.map_or(size, |left| size.min(usize::try_from(left).unwrap_or(usize::MAX)));
        match query.source {
            // Jobs come with a later milestone; until then none has run.
            Source::Jobs => Ok(QueryPage { rows: Vec::new(), kind: query.result_kind(), continuation: None }),
            _ if query.is_aggregated() => self.groups(&query, size, left, continuation).await,
            _ => self.rows(&query, size, left, continuation).await,
        }
    }

    async fn rows(
        &self,
        query: &Arc<Query>,
        size: usize,
        left: Option<u64>,
        continuation: Option<Continuation>,
    ) -> Result<QueryPage, SearchError> {
        let kind = query.result_kind();
        let mut scan = self.scan(query);
        scan.after = match continuation {
            Some(continuation) => Some(continuation.position().ok_or(SearchError::Continuation)?),
            None => None,
        };
        let mut documents: Vec<Document> = Vec::new();
        let mut bytes = 0;
        // One more than the page holds, to know whether there is a next page.
        let mut next = None;
        while documents.len() <= size && size > 0 {
            scan.limit = size + 1 - documents.len();
            let page = self.registry.documents().scan(scan.clone()).await?;
            bytes += page.documents.iter().map(weight).sum::<usize>();
            documents.extend(page.documents);
            next = page.next;
            scan.after.clone_from(&next);
            if next.is_none() || bytes > PAGE_BYTES_MAX {
                break;
            }
        }
        if documents.len() > size {
            documents.truncate(size);
            next = documents
                .last()
                .map(|last| Position { group: last.key.group.clone(), name: last.key.name.clone() });
        }
        let rows: Vec<_> = documents
            .iter()
            .map(|document| query.project(&DocumentRow::new(document, &self.registry)))
            .collect();
        let left = left.map(|left| left - rows.len() as u64);
        let continuation = next.filter(|_| left != Some(0)).map(|next| {
            let after = After::Document(next.group, next.name);
            Continuation { query: query.hash(), after, left }.encode()
        });
        Ok(QueryPage { rows, kind, continuation })
    }

    async fn groups(
        &self,
        query: &Arc<Query>,
        size: usize,
        left: Option<u64>,
        continuation: Option<Continuation>,
    ) -> Result<QueryPage, SearchError> {
        let shown = match continuation.map(|continuation| continuation.after) {
            None => 0,
            Some(After::Groups(shown)) => usize::try_from(shown).unwrap_or(usize::MAX),
            Some(After::Document(..)) => return Err(SearchError::Continuation),
        };
        let groups =
            if counts_only(query) { self.count(query).await? } else { self.aggregate(query).await? };
        let total = groups.len();
        let rows: Vec<_> = groups.into_iter().skip(shown).take(size).collect();
        let left = left.map(|left| left - rows.len() as u64);
        let shown = shown.saturating_add(rows.len());
        let more = shown < total && left != Some(0);
        let continuation = more
            .then(|| Continuation { query: query.hash(), after: After::Groups(shown as u64), left }.encode());
        Ok(QueryPage { rows, kind: query.result_kind(), continuation })
    }

    async fn aggregate(&self, query: &Arc<Query>) -> Result<Vec<Map<String, Value>>, SearchError> {
        let mut scan = self.scan(query);
        let mut aggregation = Aggregation::new(query, GROUPS_MAX);
        loop {
            let page = self.registry.documents().scan(scan.clone()).await?;
            for document in &page.documents {
                aggregation.push(&DocumentRow::new(document, &self.registry))?;
            }
            match page.next {
                Some(next) => scan.after = Some(next),
                None => return Ok(aggregation.finish()),
            }
        }
    }

    /// One row of counts, without carrying a document out of the store.
    async fn count(&self, query: &Arc<Query>) -> Result<Vec<Map<String, Value>>, SearchError> {
        let mut scan = self.scan(query);
        if query.filter.is_none() {
            scan.accept = None;
        }
        let count = self.registry.documents().count(scan).await?;
        let row = query.select.list().iter().map(|item| (item.output_name().to_owned(), Value::from(count)));
        Ok(vec![row.collect()])
    }

    fn scan(&self, query: &Arc<Query>) -> Scan {
        let space = if query.source == Source::Modules { MODULES } else { DEVICES };
        let (filter, registry) = (Arc::clone(query), self.registry.clone());
        let accept: Accept = Arc::new(move |document| filter.matches(&DocumentRow::new(document, &registry)));
        Scan {
            narrow: narrow(query),
            accept: query.filter.is_some().then_some(accept),
            at_least: Some(self.registry.documents().revision()),
            ..Scan::all(space)
        }
    }
}

fn counts_only(query: &Query) -> bool {
    let counts = |output: &Output| matches!(output, Output::Aggregate(aggregate) if aggregate.function == AggregateFunction::Count && aggregate.argument.is_none());
    query.group_by.is_empty() && query.select.list().iter().all(|item| counts(&item.output))
}

fn weight(document: &Document) -> usize {
    let body = &document.body;
    let parts = [&body.identity, &body.tags, &body.desired, &body.reported];
    parts.iter().map(|part| part.as_bytes().len()).sum::<usize>() + body.packed.len()
}
