//! Spanish for the sample wiki.

use super::{Lexicon, Topic};

/// Nouns stand with their article or in the bare plural; acts have people as their subject.
pub(super) const LEXICON: Lexicon = Lexicon {
    tag: "spa_Latn",
    code: "es",
    namespaces: ["Discusión", "Usuario", "Archivo", "Plantilla", "Categoría"],
    redirect: "REDIRECCIÓN",
    thumbnail: "miniatura",
    infobox: "Ficha",
    name_field: "nombre",
    year_field: "año",
    headings: &["Descripción", "Historia", "Otros datos", "La vida de hoy"],
    categories: ["Geografía", "Animales", "Salud", "Deportes"],
    patterns: &[
        "{N} es {k}.",
        "{N} es {k} {p}.",
        "En {N} hay {t} y {u}.",
        "En {N} muchas personas {a}.",
        "{p}, los vecinos de {N} {a}.",
        "Desde {y} hay {t} {p}.",
        "Según se dice en {M}, {N} es {k}.",
        "Las personas de {M} {a} y {b}.",
        "Los libros sobre {N} hablan de {t}.",
        "Todos los años, los visitantes {a} {p}.",
    ],
    fillers: &[
        "En {N} viven {d} personas.",
        "{N} aparece en un libro del año {y}.",
        "El viaje de {N} a {M} dura {h} horas.",
        "Nadie sabe de dónde viene el nombre de {N}.",
        "Desde {y} se habla de {N} también en {M}.",
    ],
    topics: [
        Topic {
            kinds: "un río largo|una montaña|un valle verde|una isla|un lago|una península|un desierto|un volcán|una meseta|un puerto",
            things: "colinas|cascadas|bosques|playas|cuevas|pantanos|acantilados|manantiales|glaciares|llanuras|dunas|arrecifes",
            acts: "suben a la cumbre|cruzan el puente|navegan por el canal|dibujan mapas|miden la altura de las rocas|caminan por la ladera|visitan la frontera|miran el horizonte|siguen la corriente|llegan a la orilla",
            places: "cerca de la costa|al norte de la cordillera|en la desembocadura|al sur del ecuador|junto al océano|en la bahía|al pie del cerro",
        },
        Topic {
            kinds: "un lobo|una yegua|un águila|un zorro rojo|una tortuga|un delfín|una cabra|un búho|un oso pardo|una serpiente",
            things: "ovejas|gallinas|abejas|ciervos|conejos|ranas|mariposas|ballenas|gatos|murciélagos|hormigas|cuervos",
            acts: "alimentan a los perros|ordeñan las vacas|cuidan los nidos|crían patos|protegen a los cachorros|estudian las plumas|escuchan a los pájaros|siguen las huellas|observan a los mamíferos|limpian las jaulas",
            places: "en el establo|dentro de la madriguera|en el corral|en el zoológico|entre los insectos|junto al hormiguero|cerca del rebaño",
        },
        Topic {
            kinds: "un hospital|una clínica|un médico|una vacuna|un jarabe|una enfermera|un cirujano|una farmacia|un medicamento|una dentista",
            things: "pastillas|vendas|fiebres|alergias|infecciones|pomadas|virus|ambulancias|termómetros|radiografías|dolores|bacterias",
            acts: "curan las heridas|se lavan las manos|toman la temperatura|tratan la gripe|miden la presión de la sangre|descansan por la tos|operan el corazón|revisan los pulmones|recetan vitaminas|evitan el contagio",
            places: "en la sala de urgencias|en el consultorio|durante la epidemia|después de la cirugía|en el laboratorio de análisis|durante el embarazo|antes del diagnóstico",
        },
        Topic {
            kinds: "un club de fútbol|un estadio|una atleta|un portero|un torneo|una entrenadora|un ciclista|una liga|un campeón|un delantero",
            things: "partidos|medallas|carreras|goles|raquetas|equipos|trofeos|árbitros|pelotas|nadadores|saltos|maratones",
            acts: "juegan al baloncesto|corren cien metros|ganan la copa|entrenan la defensa|lanzan el balón|practican el tenis|celebran la victoria|compiten en la final|marcan puntos|animan a los jugadores",
            places: "en la cancha|en el gimnasio|durante el campeonato|en la pista de atletismo|en las olimpiadas|después del empate|en el vestuario",
        },
    ],
};
