//! Galician for the sample wiki.

use super::{Lexicon, Topic};

/// Nouns stand with their article or in the bare plural; acts have people as their subject.
pub(super) const LEXICON: Lexicon = Lexicon {
    tag: "glg_Latn",
    code: "gl",
    namespaces: ["Conversa", "Usuario", "Ficheiro", "Modelo", "Categoría"],
    redirect: "REDIRECCIÓN",
    thumbnail: "miniatura",
    infobox: "Caixa",
    name_field: "nome",
    year_field: "ano",
    headings: &["Descrición", "Historia", "Outros datos", "A vida de hoxe"],
    categories: ["Xeografía", "Animais", "Saúde", "Deportes"],
    patterns: &[
        "{N} é {k}.",
        "{N} é {k} {p}.",
        "En {N} hai {t} e {u}.",
        "En {N} moitas persoas {a}.",
        "{p}, os veciños de {N} {a}.",
        "Desde {y} hai {t} {p}.",
        "Segundo se di en {M}, {N} é {k}.",
        "As persoas de {M} {a} e {b}.",
        "Os libros sobre {N} falan de {t}.",
        "Todos os anos, os visitantes {a} {p}.",
    ],
    fillers: &[
        "En {N} viven {d} persoas.",
        "{N} aparece nun libro do ano {y}.",
        "A viaxe de {N} a {M} dura {h} horas.",
        "Ninguén sabe de onde vén o nome de {N}.",
        "Desde {y} fálase de {N} tamén en {M}.",
    ],
    topics: [
        Topic {
            kinds: "un río longo|unha montaña|un val verde|unha illa|un lago|unha península|un deserto|un volcán|unha meseta|un porto",
            things: "outeiros|fervenzas|bosques|praias|covas|lamas|cantís|mananciais|glaciares|chairas|dunas|arrecifes",
            acts: "soben ao cumio|cruzan a ponte|navegan pola canle|debuxan mapas|miden a altura das rochas|camiñan pola ladeira|visitan a fronteira|miran o horizonte|seguen a corrente|chegan á beira",
            places: "preto da costa|ao norte da cordilleira|na desembocadura|ao sur do ecuador|á beira do océano|na enseada|ao pé do monte",
        },
        Topic {
            kinds: "un lobo|unha egua|unha aguia|un raposo|unha tartaruga|un golfiño|unha cabra|un moucho|un oso pardo|unha serpe",
            things: "ovellas|galiñas|abellas|cervos|coellos|ras|bolboretas|baleas|gatos|morcegos|formigas|corvos",
            acts: "alimentan os cans|muxen as vacas|coidan os niños|crían parrulos|protexen os cachorros|estudan as plumas|escoitan os paxaros|seguen as pegadas|observan os mamíferos|limpan as gaiolas",
            places: "na corte|dentro do tobo|no curral|no zoolóxico|entre os insectos|xunto ao formigueiro|preto do rabaño",
        },
        Topic {
            kinds: "un hospital|unha clínica|un médico|unha vacina|un xarope|unha enfermeira|un cirurxián|unha farmacia|un medicamento|unha dentista",
            things: "pílulas|vendas|febres|alerxias|infeccións|pomadas|virus|ambulancias|termómetros|radiografías|dores|bacterias",
            acts: "curan as feridas|lavan as mans|toman a temperatura|tratan a gripe|miden a presión do sangue|descansan pola tose|operan o corazón|revisan os pulmóns|receitan vitaminas|evitan o contaxio",
            places: "na sala de urxencias|no consultorio|durante a epidemia|despois da cirurxía|no laboratorio de análises|durante o embarazo|antes da diagnose",
        },
        Topic {
            kinds: "un club de fútbol|un estadio|unha atleta|un porteiro|un torneo|unha adestradora|un ciclista|unha liga|un campión|un dianteiro",
            things: "partidos|medallas|carreiras|goles|raquetas|equipos|trofeos|árbitros|pelotas|nadadores|saltos|maratóns",
            acts: "xogan ao baloncesto|corren cen metros|gañan a copa|adestran a defensa|lanzan o balón|practican o tenis|celebran a vitoria|compiten na final|marcan puntos|animan os xogadores",
            places: "na cancha|no ximnasio|durante o campionato|na pista de atletismo|nas olimpíadas|despois do empate|no vestiario",
        },
    ],
};
