//! The first pass over dumps: their templates, their modules and what their pages teach, one store a wiki, however many
//! files its dump is cut into.

use super::bytes::Meters;
use super::mediawiki::{Kept, Pages, Pass, Room};
use super::{Format, ModuleUse, ReadSettings, TemplateUse, archive, bytes};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::wikitext::{Gatherer, Habits, Learner, NameLearner, Names, Templates, Use};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tongues_languages::Tag;

/// What a first pass over a wiki's dump gave.
#[derive(Debug, Clone, Default)]
pub struct Gathered {
    /// None for a dump without templates, and where the settings want none.
    pub templates: Option<Arc<Templates>>,
    /// None learned where the settings want neither.
    pub habits: Arc<Habits>,
    /// Of the namespaces, where heads of dumps do not tell them.
    pub names: Arc<Names>,
    /// Of one file: its pages, where it is dear to read.
    pub(super) kept: Option<Arc<Kept>>,
}

/// A wiki while its files are read.
#[derive(Default)]
struct Gathering {
    gatherer: Option<Gatherer>,
    learner: Learner,
    names: NameLearner,
}

/// For each file what was gathered of its wiki, nothing for a file that is no dump. Files of one language and one
/// address are one wiki.
///
/// # Errors
/// An interruption, no room for the temporary file.
pub fn gather_templates(files: &[(&Path, Tag, &ReadSettings)], progress: &dyn Progress) -> Result<Vec<Gathered>> {
    let mut gatherings: BTreeMap<(Tag, Option<String>), Gathering> = BTreeMap::new();
    let (mut wikis, mut room) = (Vec::with_capacity(files.len()), None);
    let is_dump = |(path, _, settings): &(&Path, Tag, &ReadSettings)| {
        (settings.templates == TemplateUse::Expand || settings.markup.closing_sections == Use::Drop)
            && archive::kind(path).is_none()
            && settings.format_of(path) == Some(Format::Mediawiki)
    };
    let size = |(path, ..): &(&Path, Tag, &ReadSettings)| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    if files.iter().any(is_dump) {
        progress.begin("templates", Some(files.iter().filter(|file| is_dump(file)).map(size).sum()), "bytes");
    }
    for file in files {
        if !is_dump(file) || size(file) == 0 {
            wikis.push((None, None));
            continue;
        }
        let (path, language, settings) = file;
        // What is no dump is for the reading of the articles to tell.
        let meters = Meters::default();
        let opened = bytes::decompressed(path).and_then(|(bytes, counter)| {
            let text = bytes::text(bytes, settings.encoding()?, &meters.decoding);
            Ok((Pages::open(path, text)?, counter))
        });
        let Ok((mut pages, counter)) = opened else {
            wikis.push((None, None));
            continue;
        };
        let wiki = (*language, pages.head().base().map(str::to_owned));
        let claimed = pages.claim(*language);
        let Gathering { gatherer, learner, names } = gatherings.entry(wiki.clone()).or_default();
        if gatherer.is_none() && settings.templates == TemplateUse::Expand {
            *gatherer = Some(Gatherer::new().map_err(Error::io("write", &std::env::temp_dir()))?);
        }
        if room.is_none() && bytes::is_dear(path) {
            room = Room::new().ok();
        }
        let kept = room
            .clone()
            .filter(|_| bytes::is_dear(path))
            .map(|room| Kept::new(room, pages.head().clone(), claimed, Meters { counter: counter.clone(), ..meters }));
        let modules = settings.modules == ModuleUse::Run;
        let mut pass = Pass { gatherer: gatherer.as_mut(), modules, learner, names, kept };
        let mut told = 0;
        pages.gather(&mut pass, &mut || {
            if progress.interrupted() {
                return Err(Error::Interrupted);
            }
            let read = counter.get();
            progress.advance(read - told);
            told = read;
            Ok(())
        })?;
        let kept = pass.kept.map(Arc::new);
        progress.advance(counter.get() - told);
        wikis.push((Some(wiki), kept));
    }
    let mut stores = BTreeMap::new();
    for (wiki, Gathering { gatherer, learner, names }) in gatherings {
        let templates = gatherer.map(Gatherer::finish).transpose();
        let templates = templates.map_err(Error::io("write", &std::env::temp_dir()))?.flatten().map(Arc::new);
        let (habits, names) = (Arc::new(learner.finish()), Arc::new(names.finish()));
        stores.insert(wiki, Gathered { templates, habits, names, kept: None });
    }
    if files.iter().any(is_dump) {
        progress.end();
    }
    let of_file = |(wiki, kept): (Option<_>, _)| {
        let gathered = wiki.and_then(|wiki| stores.get(&wiki).cloned()).unwrap_or_default();
        Gathered { kept, ..gathered }
    };
    Ok(wikis.into_iter().map(of_file).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    #[test]
    fn files_of_one_wiki_share_their_templates_and_others_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let dump = |name: &str, base: &str, title: &str| {
            let path = folder.path().join(name);
            let text = format!(
                "<mediawiki><siteinfo><base>https://{base}/wiki/A</base></siteinfo><page><title>{title}</title>\
                 <ns>10</ns><id>1</id><revision><text>x</text></revision></page></mediawiki>"
            );
            std::fs::write(&path, text).unwrap();
            path
        };
        let paths = [
            dump("a.xml", "ltg.wikipedia.org", "Template:A"),
            dump("b.xml", "ltg.wikipedia.org", "Template:B"),
            dump("c.xml", "lv.wikipedia.org", "Template:C"),
            dump("d.txt", "", ""),
        ];
        let (tag, settings) = ("ltg_Latn".parse().unwrap(), ReadSettings::default());
        let files: Vec<_> = paths.iter().map(|path| (path.as_path(), tag, &settings)).collect();
        let stores = gather_templates(&files, &Silent).unwrap();
        let counts: Vec<_> = stores.iter().map(|store| store.templates.as_ref().map(|store| store.count())).collect();
        assert_eq!(counts, [Some(2), Some(2), Some(1), None]);
        let drop = ReadSettings { templates: TemplateUse::Drop, ..ReadSettings::default() };
        assert!(gather_templates(&[(paths[0].as_path(), tag, &drop)], &Silent).unwrap()[0].templates.is_none());
    }

    #[test]
    fn what_is_kept_of_a_compressed_dump_is_what_reading_it_again_gives() {
        let folder = tempfile::tempdir().unwrap();
        let page = |number: usize, namespace: &str, text: &str| {
            format!(
                "<page><title>P &amp; {number}</title><ns>{namespace}</ns><id>{number}</id><revision>\
                 <timestamp>2020-01-02T00:00:00Z</timestamp><text>{text}</text></revision></page>"
            )
        };
        let long = "Lobdīn &lt;b&gt; ".repeat(500);
        let pages: String = (0..200).map(|number| page(number, ["0", "10", "0"][number % 3], &long)).collect();
        let odd = [page(500, "0", "#REDIRECT [[A]]"), page(501, "0", ""), page(502, "0", "x</tex>")].concat();
        let xml = format!(
            "<mediawiki><siteinfo><base>https://ltg.wikipedia.org/wiki/A</base></siteinfo>{pages}{odd}</mediawiki>"
        );
        let mut writer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        std::io::Write::write_all(&mut writer, xml.as_bytes()).unwrap();
        let path = folder.path().join("a.xml.bz2");
        std::fs::write(&path, writer.finish().unwrap()).unwrap();
        let (tag, settings) = ("ltg_Latn".parse().unwrap(), ReadSettings::default());
        let gathered = gather_templates(&[(&path, tag, &settings)], &Silent).unwrap().remove(0);
        assert!(gathered.kept.is_some());
        let all = |mut reader: super::super::Reader| {
            let items: Vec<_> = std::iter::from_fn(|| reader.next().unwrap()).collect();
            (items, reader.encoding(), reader.bytes_read())
        };
        let again = all(super::super::open_gathered(&path, &settings, &gathered).unwrap());
        assert_eq!(again, all(super::super::open(&path, &settings).unwrap()));
        assert_eq!((again.0.len(), again.2), (203, std::fs::metadata(&path).unwrap().len()));
        let mut reader = super::super::open_gathered(&path, &settings, &gathered).unwrap();
        let batches = std::iter::from_fn(|| reader.batch().unwrap()).flat_map(|batch| batch.items());
        assert!(batches.eq(again.0));
        // What is cheap to read is read again.
        let plain = folder.path().join("a.xml");
        std::fs::write(&plain, xml).unwrap();
        assert!(gather_templates(&[(&plain, tag, &settings)], &Silent).unwrap()[0].kept.is_none());
    }
}
