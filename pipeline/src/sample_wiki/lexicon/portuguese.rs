//! Portuguese for the sample wiki.

use super::{Lexicon, Topic};

/// Nouns stand with their article or in the bare plural; acts have people as their subject.
pub(super) const LEXICON: Lexicon = Lexicon {
    tag: "por_Latn",
    code: "pt",
    namespaces: ["Discussão", "Usuário", "Ficheiro", "Predefinição", "Categoria"],
    redirect: "REDIRECIONAMENTO",
    thumbnail: "miniaturadaimagem",
    infobox: "Info",
    name_field: "nome",
    year_field: "ano",
    headings: &["Descrição", "História", "Outras informações", "A vida de hoje"],
    categories: ["Geografia", "Animais", "Saúde", "Esportes"],
    patterns: &[
        "{N} é {k}.",
        "{N} é {k} {p}.",
        "Em {N} há {t} e {u}.",
        "Em {N} muitas pessoas {a}.",
        "{p}, os moradores de {N} {a}.",
        "Desde {y} há {t} {p}.",
        "Segundo se diz em {M}, {N} é {k}.",
        "As pessoas de {M} {a} e {b}.",
        "Os livros sobre {N} falam de {t}.",
        "Todos os anos, os visitantes {a} {p}.",
    ],
    fillers: &[
        "Em {N} vivem {d} pessoas.",
        "{N} aparece num livro do ano {y}.",
        "A viagem de {N} a {M} dura {h} horas.",
        "Ninguém sabe de onde vem o nome de {N}.",
        "Desde {y} fala-se de {N} também em {M}.",
    ],
    topics: [
        Topic {
            kinds: "um rio comprido|uma montanha|um vale verde|uma ilha|um lago|uma península|um deserto|um vulcão|um planalto|um porto",
            things: "colinas|cachoeiras|florestas|praias|cavernas|pântanos|falésias|nascentes|glaciares|planícies|dunas|recifes",
            acts: "sobem ao cume|atravessam a ponte|navegam pelo canal|desenham mapas|medem a altura das rochas|caminham pela encosta|visitam a fronteira|olham o horizonte|seguem a corrente|chegam à margem",
            places: "perto da costa|ao norte da cordilheira|na foz|ao sul do equador|junto ao oceano|na baía|no sopé do morro",
        },
        Topic {
            kinds: "um lobo|uma égua|uma águia|uma raposa vermelha|uma tartaruga|um golfinho|uma cabra|uma coruja|um urso pardo|uma cobra",
            things: "ovelhas|galinhas|abelhas|veados|coelhos|rãs|borboletas|baleias|gatos|morcegos|formigas|corvos",
            acts: "alimentam os cachorros|ordenham as vacas|cuidam dos ninhos|criam patos|protegem os filhotes|estudam as penas|escutam os pássaros|seguem as pegadas|observam os mamíferos|limpam as gaiolas",
            places: "no estábulo|dentro da toca|no curral|no jardim zoológico|entre os insetos|junto ao formigueiro|perto do rebanho",
        },
        Topic {
            kinds: "um hospital|uma clínica|um médico|uma vacina|um xarope|uma enfermeira|um cirurgião|uma farmácia|um remédio|uma dentista",
            things: "comprimidos|curativos|febres|alergias|infecções|pomadas|vírus|ambulâncias|termômetros|radiografias|dores|bactérias",
            acts: "curam as feridas|lavam as mãos|medem a temperatura|tratam a gripe|controlam a pressão do sangue|descansam por causa da tosse|operam o coração|examinam os pulmões|receitam vitaminas|evitam o contágio",
            places: "na sala de urgência|no consultório|durante a epidemia|depois da cirurgia|no laboratório de análises|durante a gravidez|antes do diagnóstico",
        },
        Topic {
            kinds: "um clube de futebol|um estádio|uma atleta|um goleiro|um torneio|uma treinadora|um ciclista|uma liga|um campeão|um atacante",
            things: "partidas|medalhas|corridas|gols|raquetes|equipes|troféus|árbitros|bolas|nadadores|saltos|maratonas",
            acts: "jogam basquete|correm cem metros|ganham a taça|treinam a defesa|arremessam o dardo|praticam tênis|celebram a vitória|competem na final|marcam pontos|animam os jogadores",
            places: "na quadra|no ginásio|durante o campeonato|na pista de atletismo|nas olimpíadas|depois do empate|no vestiário",
        },
    ],
};
