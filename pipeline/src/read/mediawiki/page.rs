//! One page of a dump with its revisions.

use super::xml::{ANOTHER_PAGE, End, Events, Parser, Tag};

#[derive(Debug, Default)]
pub(super) struct Page {
    pub id: String,
    pub title: String,
    pub namespace: Option<i32>,
    pub redirect: bool,
    pub timestamp: String,
    pub model: String,
    pub format: String,
    pub text: String,
}

/// A page that cannot be read: its title, where that was met, and what is wrong with it.
pub(super) type Broken = (String, String);

impl<E: Events> Parser<E> {
    /// The next whole page; none at the end. The sources of pages in other namespaces than these are passed over.
    pub fn page(&mut self, wanted: &[i32]) -> Result<Option<Page>, Broken> {
        while !self.opened {
            match self.tag().map_err(|cause| (String::new(), cause))? {
                Tag::Open(name, _) if name == "page" => self.opened = true,
                Tag::Close(name) if name == "mediawiki" => return Ok(None),
                Tag::End if self.end == (End::File { wrapped: true }) => {
                    return Err((String::new(), "the file ends before </mediawiki>: it was cut".to_owned()));
                }
                Tag::End => return Ok(None),
                _ => {}
            }
        }
        self.opened = false;
        let mut page = Page::default();
        match self.fields(&mut page, wanted) {
            Ok(()) => Ok(Some(page)),
            Err(cause) => Err((page.title, cause)),
        }
    }

    fn fields(&mut self, page: &mut Page, wanted: &[i32]) -> Result<(), String> {
        let (mut revision, mut inside_revision, mut inside_contributor) = (Page::default(), false, false);
        loop {
            match self.tag()? {
                Tag::Open(name, _) => match name.as_str() {
                    "page" => {
                        self.opened = true;
                        return Err(ANOTHER_PAGE.to_owned());
                    }
                    "revision" => (revision, inside_revision) = (Page::default(), true),
                    "contributor" => inside_contributor = true,
                    "redirect" => page.redirect = true,
                    "title" => page.title = self.content("title")?,
                    "ns" => page.namespace = self.content("ns")?.trim().parse().ok(),
                    "id" if !inside_revision && !inside_contributor => page.id = self.content("id")?,
                    "timestamp" if inside_revision => revision.timestamp = self.content("timestamp")?,
                    "model" if inside_revision => revision.model = self.content("model")?,
                    "format" if inside_revision => revision.format = self.content("format")?,
                    "text"
                        if inside_revision && page.namespace.is_some_and(|namespace| !wanted.contains(&namespace)) =>
                    {
                        self.pass_over("text")?;
                    }
                    "text" if inside_revision => revision.text = self.content("text")?,
                    _ => {}
                },
                Tag::Empty(name) if name == "redirect" => page.redirect = true,
                Tag::Empty(_) => {}
                Tag::Close(name) => match name.as_str() {
                    "contributor" => inside_contributor = false,
                    "revision" => {
                        inside_revision = false;
                        // ISO 8601 sorts as text.
                        if revision.timestamp >= page.timestamp {
                            let last = std::mem::take(&mut revision);
                            (page.timestamp, page.model) = (last.timestamp, last.model);
                            (page.format, page.text) = (last.format, last.text);
                        }
                    }
                    "page" => return Ok(()),
                    _ => {}
                },
                Tag::End if self.end == End::Page => return Err(ANOTHER_PAGE.to_owned()),
                Tag::End => return Err("the file ends inside this page: it was cut".to_owned()),
            }
        }
    }
}
