//! Text of a table: a row a line, with ` | ` between its cells.

use super::debris::{self, HOLE};

/// What stands in wiki markup for an element of an HTML table.
pub(super) fn mark(element: &str) -> Option<&'static str> {
    match element {
        "tr" => Some("\n|-\n"),
        "td" => Some("\n| "),
        "th" => Some("\n! "),
        "caption" => Some("\n|+ "),
        _ => None,
    }
}

/// Rows of a table from its lines, whose own markup is turned into text already. Rows without a letter or digit go.
pub(super) fn text(lines: &str) -> String {
    let mut rows: Vec<Vec<String>> = vec![Vec::new()];
    for line in lines.split('\n') {
        let bare = line.trim_matches(|c: char| c.is_whitespace() || c == HOLE);
        let last = rows.last_mut().expect("never empty");
        if bare.starts_with("|-") {
            rows.push(Vec::new());
        } else if let Some(caption) = bare.strip_prefix("|+") {
            last.push(content(caption).to_owned());
            rows.push(Vec::new());
        } else if let Some(cells) = bare.strip_prefix('|') {
            last.extend(cells.split("||").map(|cell| content(cell).to_owned()));
        } else if let Some(cells) = bare.strip_prefix('!') {
            last.extend(cells.split("!!").flat_map(|cells| cells.split("||")).map(|cell| content(cell).to_owned()));
        } else if let Some(cell) = last.last_mut() {
            let more = bare.trim_start_matches(['*', '#', ':', ';', ' ']);
            if !cell.is_empty() && !more.is_empty() {
                cell.push(' ');
            }
            cell.push_str(more);
        }
    }
    let bar = String::from_iter([' ', debris::hide('|'), ' ']);
    let shown = rows.iter().filter_map(|cells| {
        let cells: Vec<&str> = cells.iter().map(|cell| cell.trim()).filter(|cell| !cell.is_empty()).collect();
        let row = cells.join(&bar);
        row.contains(char::is_alphanumeric).then_some(row)
    });
    shown.collect::<Vec<_>>().join(&debris::hide('\n').to_string())
}

/// A cell without the attributes before its first bar.
fn content(cell: &str) -> &str {
    let text = match cell.split_once('|') {
        Some((attributes, text)) if attributes.contains('=') || !attributes.trim().contains(' ') => text,
        _ => cell,
    };
    text.trim().trim_start_matches(['*', '#', ':', ';', '=']).trim()
}

#[cfg(test)]
mod tests {
    use crate::wikitext::settings::{MarkupSettings, Use};
    use crate::wikitext::{Site, text_with};

    fn text(source: &str, infoboxes: Use) -> String {
        let settings = MarkupSettings { tables: Use::Keep, infoboxes, ..MarkupSettings::default() };
        text_with(source, &Site::default(), &settings)
    }

    #[test]
    fn a_row_is_a_line() {
        let source = "Before.\n{| class=\"wikitable\" style=\"x\"\n|+ Upis\n! Name !! Length, km\n|-\n| style=\"x\" | [[Upe|Lobs]]\n| 5\n\
            |-\n|colspan=2|a\n* b\n* c<ref>x</ref>\n|-\n| {{flag}} || –\n|}\nAfter.";
        assert_eq!(text(source, Use::Drop), "Before.\n\nUpis\nName | Length, km\nLobs | 5\na b c\n\nAfter.");
        let html = "A.<table border=1><caption>U</caption><tr><th>N<td>L</td></tr><TR><TD noWrap>Lobs<br/>x</TD>\n\
            <td>5\n</td></tr></table>B.";
        assert_eq!(text(html, Use::Drop), "A.\n\nU\nN | L\nLobs\nx | 5\n\nB.");
    }

    #[test]
    fn boxes_are_tables_of_their_own() {
        let source = "A.\n{|class=\"infobox\"\n| Length || 5\n|}\n<table class=infobox><tr><td>c<td>6</table>\n\
            {| class=navbox\n| x\n|}\nB.";
        assert_eq!(text(source, Use::Drop), "A.\n\nB.");
        assert_eq!(text(source, Use::Keep), "A.\n\nLength | 5\n\nc | 6\n\nB.");
    }

    #[test]
    fn tables_in_tables_and_open_ones_keep_their_text() {
        assert_eq!(text("{|\n| a\n{|\n| b || c\n|}\n| d\n|}", Use::Drop), "a b | c | d");
        assert_eq!(text("A.\n{|\n| a || b", Use::Drop), "A.\n\na | b");
    }
}
