//! YAML with positions: a tree of what a document says, and where.
//!
//! Files come from users, so nesting, number of values and expansion of aliases are limited.

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::problem::Position;

/// Deepest nesting.
const DEEPEST: usize = 64;
/// Values in one document, those that aliases repeat included.
const MOST: usize = 100_000;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Where it begins.
    pub position: Position,
    /// What it is.
    pub value: Value,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A scalar.
    Scalar {
        /// Its text.
        text: String,
        /// Whether it stands without quotes, so that `true`, `1` and `~` are no text.
        plain: bool,
    },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the file.
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_position: Position,
    /// The value.
    pub value: Node,
}

/// Why a text is not understood. It never quotes the text: that may hold secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotYaml {
    /// Where.
    pub position: Position,
    /// Why.
    pub message: String,
}

impl Node {
    /// The entry with a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The entries of a mapping; none for anything else.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The values of a sequence; none for anything else.
    #[must_use]
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The text of a scalar.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Whether it stands for no value.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }
}

/// Reads the first document of `text`. `None` for a text without one.
///
/// # Errors
/// [`NotYaml`].
pub fn read(text: &str) -> Result<Option<Node>, NotYaml> {
    let mut reader = Reader { open: Vec::new(), anchors: Vec::new(), count: 0 };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| NotYaml {
            position: position(error.marker()),
            message: error.info().into(),
        })?;
        if let Some(root) = reader.event(event, span)? {
            return Ok(Some(root));
        }
    }
    Ok(None)
}

/// The entries of a mapping, and the key whose value comes next.
type Pairs = (Vec<Entry>, Option<(String, Position)>);

/// A collection that has not ended yet.
struct Open {
    position: Position,
    anchor: usize,
    items: Vec<Node>,
    /// For a mapping.
    map: Option<Pairs>,
}

struct Reader {
    open: Vec<Open>,
    anchors: Vec<(usize, Node, usize)>,
    count: usize,
}

impl Reader {
    /// Takes one event; gives the document's value when it is complete.
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<Option<Node>, NotYaml> {
        let at = position(&span.start);
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let plain = style == ScalarStyle::Plain;
                let value = Value::Scalar { text: text.into_owned(), plain };
                self.complete(Node { position: at, value }, anchor, 1)
            }
            Event::Alias(anchor) => {
                let known = self.anchors.iter().rfind(|known| known.0 == anchor);
                let Some((_, node, size)) = known.cloned() else {
                    return Err(wrong(at, "an alias within its own value"));
                };
                self.complete(Node { position: at, ..node }, 0, size)
            }
            Event::SequenceStart(anchor, _) => self.begin(at, anchor, None),
            Event::MappingStart(anchor, _) => self.begin(at, anchor, Some((Vec::new(), None))),
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return Ok(None) };
                let value = match open.map {
                    Some((entries, _)) => Value::Map(entries),
                    None => Value::List(open.items),
                };
                self.complete(Node { position: open.position, value }, open.anchor, 1)
            }
            _ => Ok(None),
        }
    }

    fn begin(
        &mut self,
        position: Position,
        anchor: usize,
        map: Option<Pairs>,
    ) -> Result<Option<Node>, NotYaml> {
        if self.open.len() == DEEPEST {
            return Err(wrong(
                position,
                &format!("more than {DEEPEST} collections in one another"),
            ));
        }
        self.open.push(Open { position, anchor, items: Vec::new(), map });
        Ok(None)
    }

    fn complete(
        &mut self,
        node: Node,
        anchor: usize,
        size: usize,
    ) -> Result<Option<Node>, NotYaml> {
        self.count += size;
        if self.count > MOST {
            return Err(wrong(node.position, &format!("more than {MOST} values")));
        }
        if anchor != 0 {
            // How much a repetition costs; counted, since what is in it may hold aliases itself.
            let size = count(&node);
            self.anchors.push((anchor, node.clone(), size));
        }
        let Some(open) = self.open.last_mut() else { return Ok(Some(node)) };
        let Some((entries, key)) = &mut open.map else {
            open.items.push(node);
            return Ok(None);
        };
        match (key.take(), node) {
            (Some((key, key_position)), value) => entries.push(Entry { key, key_position, value }),
            (None, Node { position, value: Value::Scalar { text, .. } }) => {
                if entries.iter().any(|entry| entry.key == text) {
                    return Err(wrong(position, &format!("the key {text} comes twice")));
                }
                *key = Some((text, position));
            }
            (None, Node { position, .. }) => return Err(wrong(position, "a collection as key")),
        }
        Ok(None)
    }
}

fn count(node: &Node) -> usize {
    1 + node.items().iter().map(count).sum::<usize>()
        + node.entries().iter().map(|entry| count(&entry.value)).sum::<usize>()
}

fn wrong(position: Position, message: &str) -> NotYaml {
    NotYaml { position, message: message.into() }
}

fn position(marker: &saphyr_parser::Marker) -> Position {
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    Position { line: number(marker.line()).max(1), column: number(marker.col() + 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_positions() {
        let node = read("#c\na: 1\nb:\n  - \"x\"\n  - {c: ~}\n").unwrap().unwrap();
        let at = |line, column| Position { line, column };
        assert_eq!(node.get("a").unwrap().key_position, at(2, 1));
        assert_eq!(node.get("a").unwrap().value.position, at(2, 4));
        let items = node.get("b").unwrap().value.items();
        assert_eq!((items[0].position, items[0].text()), (at(4, 5), Some("x")));
        let c = items[1].get("c").unwrap();
        assert!(c.value.is_null() && c.key_position == at(5, 6), "{c:?}");
        assert_eq!(read("# nothing\n"), Ok(None));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (text, line, column, message) in [
            ("a: 1\na: 2\n", 2, 1, "the key a comes twice"),
            ("? [a]\n: b\n", 1, 3, "a collection as key"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(
                (error.position, error.message.as_str()),
                (Position { line, column }, message)
            );
        }
        assert!(read("a: [").is_err());
        assert!(read(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn aliases_do_not_grow_without_end() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..20 {
            let before = level - 1;
            let list = format!("*a{before}, ").repeat(10);
            text.push_str(&format!("a{level}: &a{level} [{list}]\n"));
        }
        assert!(read(&text).unwrap_err().message.contains("values"));
    }
}
