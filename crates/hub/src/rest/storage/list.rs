//! Lists of blocks as XML: the one that a client commits, and the one that it is shown.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use skerry_store::blobs::{Block, BlockId, Blocks, Source};

use super::fault::{Code, Fault};

/// Reads `<BlockList><Latest>id</Latest>…</BlockList>`. Nothing else of XML has a meaning in it: a declaration and white
/// space are skipped, attributes, comments and entities are refused.
pub(super) fn parse(text: &str, blocks_max: usize) -> Result<Vec<(Source, BlockId)>, Fault> {
    let malformed = |what: &str| Fault::new(Code::InvalidXmlDocument, format!("the block list {what}"));
    let mut rest = text.trim_start_matches('\u{feff}').trim();
    if rest.starts_with("<?xml") {
        let (_, behind) =
            rest.split_once("?>").ok_or_else(|| malformed("has a declaration without an end"))?;
        rest = behind.trim_start();
    }
    if rest.strip_prefix("<BlockList").map(str::trim_start) == Some("/>") {
        return Ok(Vec::new());
    }
    let inside = rest.strip_prefix("<BlockList>").and_then(|rest| rest.strip_suffix("</BlockList>"));
    let mut rest = inside.ok_or_else(|| malformed("is not a BlockList element"))?.trim();
    let mut blocks = Vec::new();
    while !rest.is_empty() {
        if blocks.len() == blocks_max {
            return Err(Fault::new(
                Code::BlockListTooLong,
                format!("a list has at most {blocks_max} blocks"),
            ));
        }
        let (source, word) =
            [(Source::Latest, "Latest"), (Source::Composed, "Committed"), (Source::Waiting, "Uncommitted")]
                .into_iter()
                .find(|(_, word)| tag(rest, "<", word).is_some())
                .ok_or_else(|| malformed("has something else than Committed, Uncommitted and Latest"))?;
        let content = tag(rest, "<", word).unwrap_or_default();
        let (id, behind) = content.split_once('<').ok_or_else(|| malformed("ends in an element"))?;
        rest =
            tag(behind, "/", word).ok_or_else(|| malformed("has an element without its end"))?.trim_start();
        blocks.push((source, block_id(id.trim()).ok_or_else(|| malformed("has an id that is no base64"))?));
    }
    Ok(blocks)
}

/// What follows the tag.
fn tag<'a>(text: &'a str, begin: &str, word: &str) -> Option<&'a str> {
    text.strip_prefix(begin)?.strip_prefix(word)?.strip_prefix('>')
}

pub(super) fn block_id(text: &str) -> Option<BlockId> {
    STANDARD.decode(text).ok().filter(|id| !id.is_empty())
}

pub(super) fn render(blocks: &Blocks, composed: bool, waiting: bool) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");
    let parts =
        [("CommittedBlocks", &blocks.composed, composed), ("UncommittedBlocks", &blocks.waiting, waiting)];
    for (name, blocks, _) in parts.into_iter().filter(|(_, _, wanted)| *wanted) {
        xml.push_str(&format!("<{name}>"));
        for Block { id, bytes } in blocks {
            let id = STANDARD.encode(id);
            xml.push_str(&format!("<Block><Name>{id}</Name><Size>{bytes}</Size></Block>"));
        }
        xml.push_str(&format!("</{name}>"));
    }
    xml.push_str("</BlockList>");
    xml
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_clients_write_them() {
        let text = "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<BlockList>\n  <Latest>MQ==</Latest>\n\
                    <Committed> Mg== </Committed><Uncommitted>Mw==</Uncommitted></BlockList>\n";
        let expected = [(Source::Latest, b"1"), (Source::Composed, b"2"), (Source::Waiting, b"3")];
        assert_eq!(parse(text, 3).unwrap(), expected.map(|(source, id)| (source, id.to_vec())));
        for empty in [
            "<BlockList></BlockList>",
            "<BlockList/>",
            "<BlockList />",
            "<?xml version=\"1.0\"?><BlockList>\n</BlockList>",
        ] {
            assert_eq!(parse(empty, 3).unwrap(), []);
        }
        assert_eq!(parse(text, 2).unwrap_err().code, Code::BlockListTooLong);
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in [
            "",
            "<BlockList",
            "<BlockList>",
            "<List></List>",
            "<?xml <BlockList></BlockList>",
            "<BlockList><Latest></Latest></BlockList>",
            "<BlockList><Latest>MQ==</BlockList>",
            "<BlockList><Latest>MQ==</Committed></BlockList>",
            "<BlockList><Latest>M&#81;==</Latest></BlockList>",
            "<BlockList><Other>MQ==</Other></BlockList>",
            "<BlockList>MQ==</BlockList>",
            "<BlockList><Latest x='1'>MQ==</Latest></BlockList>",
        ] {
            assert_eq!(parse(text, 9).unwrap_err().code, Code::InvalidXmlDocument, "{text}");
        }
    }
}
