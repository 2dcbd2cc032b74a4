"""Makes tests/data/golden/instruction/*.jsonl: python3 make_instruction_golden.py OUTPUT_FOLDER

Needs the packages lm_eval 0.4.13 and if-verifiable 0.1.2 (their checkers of IFEval and IFBench; `pip download --no-deps` and unzip
into folders on PYTHONPATH will do), nltk, langdetect, emoji, syllapy, immutabledict. A row is {"id", "kwargs", "response", "strict",
"loose"}; responses are drawn by seed from pieces that the instructions are about. Left out are language identification (random in
the published checkers) and words:start_verb (a trained tagger). Sentences for nltk are those of an untrained Punkt model with our
list of abbreviations. Where the repository allenai/IFBench has moved on from the package, its present rules stand in (PRESENT).
"""
import importlib
import importlib.metadata
import json
import pathlib
import random
import re
import string
import sys
import types

import nltk
from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "reward/instruction/sentences.cc"
LIST = re.search(r"kAbbreviations\[\] = \{(.*?)\};", SOURCE.read_text(), re.S).group(1)
PARAMETERS = PunktParameters()
PARAMETERS.abbrev_types = set(re.findall(r'U"([^"]+)"', LIST))
PUNKT = PunktSentenceTokenizer(PARAMETERS)
nltk.tokenize.sent_tokenize = nltk.sent_tokenize = lambda text, language="english": PUNKT.tokenize(text)
nltk.word_tokenize = nltk.tokenize.word_tokenize = lambda text, language="english", preserve_line=False: [
    token for sentence in PUNKT.tokenize(text) for token in nltk.tokenize.NLTKWordTokenizer().tokenize(sentence)]
nltk.data.find = lambda *_, **__: True
nltk.download = lambda *_, **__: True
STOP_WORDS = """a about above after again against ain all am an and any are aren as at be because been before being below between both
but by can couldn d did didn do does doesn doing don down during each few for from further had hadn has hasn have haven having he her
here hers herself him himself his how i if in into is isn it its itself just ll m ma me mightn more most mustn my myself needn no nor
not now o of off on once only or other our ours ourselves out over own re s same shan she should shouldn so some such t than that the
their theirs them themselves then there these they this those through to too under until up ve very was wasn we were weren what when
where which while who whom why will with won wouldn y you your yours yourself yourselves""".split()


def load(package, name):
    """A module of a package without running the package's own __init__."""
    root = importlib.util.find_spec(package).submodule_search_locations[0]
    for depth in range(1, name.count(".") + 1):
        parent = ".".join(name.split(".")[:depth])
        if parent not in sys.modules:
            module = types.ModuleType(parent)
            module.__path__ = [str(pathlib.Path(root, *parent.split(".")[1:]))]
            sys.modules[parent] = module
    return importlib.import_module(name)


ifeval = load("lm_eval", "lm_eval.tasks.ifeval.instructions_registry").INSTRUCTION_DICT
ifeval_util = importlib.import_module("lm_eval.tasks.ifeval.instructions_util")
ifbench = load("if_verifiable", "if_verifiable.ifbench.instructions_registry").INSTRUCTION_DICT
ifbench_util = importlib.import_module("if_verifiable.ifbench.instructions_util")
ifeval_util.count_sentences = lambda text: len(PUNKT.tokenize(text))
ifbench_util.count_stopwords = lambda text: sum(t.lower() in STOP_WORDS for t in re.findall(r"\w+", text))

PRONOUNS = set("""i me we us you he him she her it they them my mine our ours your yours his hers its their theirs myself ourselves
yourself yourselves himself herself itself themselves this that these those who whom whose which what whoever whomever whatever
whichever anybody anyone anything everybody everyone everything nobody nothing somebody someone something each either neither both
all some any none""".split())
MARKS = string.punctuation


def whole(word, text, flags=0):
    return len(re.findall(r"\b" + re.escape(word) + r"\b", text, flags))


def plain_words(text):
    return text.lower().translate(str.maketrans("", "", MARKS)).split()


def spoken(text):
    return [t for t in nltk.word_tokenize(text) if any(c.isalnum() for c in t)]


def trigrams(text):
    return set(nltk.ngrams(nltk.word_tokenize(text), 3))


def overlap(kwargs, text):
    found = trigrams(text)
    if not found:
        return False
    return abs(100 * len(found & trigrams(kwargs["reference_text"])) / len(found) - kwargs["percentage"]) <= 2


def sentence_words(kwargs, text):
    sentences = ifbench_util.split_into_sentences(text)
    words = plain_words(" ".join(sentences))
    return len(sentences) == 3 and len({len(s) for s in sentences}) == 1 and len(set(words)) == len(words)


def sentence_keyword(kwargs, text):
    sentences = ifbench_util.split_into_sentences(text)
    return len(sentences) >= kwargs["N"] and whole(kwargs["word"], sentences[int(kwargs["N"]) - 1], re.I) > 0


def specific_position(kwargs, text):
    sentences = ifbench_util.split_into_sentences(text)
    if len(sentences) < kwargs["n"]:
        return False
    words = spoken(sentences[kwargs["n"] - 1])
    return len(words) >= kwargs["m"] and words[kwargs["m"] - 1].lower() == kwargs["keyword"].lower()


def words_position(kwargs, text):
    words = spoken(text)
    return len(words) > 1 and words[1].lower() == words[-2].lower() == kwargs["keyword"].lower()


def title_case(kwargs, text):
    return not any(w[0].isalpha() and w[0].islower() and (len(w) == 1 or w[1:].isupper() or w[1:].islower())
                   for w in nltk.word_tokenize(text))


def sentence_alphabet(kwargs, text):
    sentences = [s.lstrip(MARKS + string.whitespace) for s in ifbench_util.split_into_sentences(text)]
    return len(sentences) == 26 and all(s and s[0].lower() == chr(97 + i) for i, s in enumerate(sentences))


def quote_unquote(kwargs, text):
    text = "".join(text.replace("“", '"').replace("”", '"').replace("'\"'", "").split())
    bare = text.strip(string.digits + MARKS.replace('"', ""))
    return '""' not in text and not bare.endswith('"')


PRESENT = {
    "count:person_names": lambda k, t: sum(whole(n, t) > 0 for n in NAMES) >= k["N"],
    "ratio:overlap": overlap,
    "ratio:sentence_words": sentence_words,
    "sentence:keyword": sentence_keyword,
    "count:pronouns": lambda k, t: sum(w in PRONOUNS for w in nltk.word_tokenize(t.replace("/", " ").lower())) >= k["N"],
    "count:keywords_multiple": lambda k, t: all(
        whole(k[f"keyword{i}"], t, re.I) == n for i, n in zip((1, 2, 3, 4, 5), (1, 2, 3, 5, 7))),
    "words:keywords_specific_position": specific_position,
    "words:words_position": words_position,
    "repeat:repeat_span": lambda k, t: t.strip().lower() == " ".join(
        k["prompt_to_repeat"].split()[k["n_start"]:k["n_end"] + 1]).lower(),
    "format:title_case": title_case,
    "custom:sentence_alphabet": sentence_alphabet,
    "format:quote_unquote": quote_unquote,
}
NAMES = """Emma Liam Sophia Jackson Olivia Noah Ava Lucas Isabella Mason Mia Ethan Charlotte Alexander Amelia Benjamin Harper Leo Zoe
Daniel Chloe Samuel Lily Matthew Grace Owen Abigail Gabriel Ella Jacob Scarlett Nathan Victoria Elijah Layla Nicholas Audrey David
Hannah Christopher Penelope Thomas Nora Andrew Aria Joseph Claire Ryan Stella Jonathan""".split()

WORDS = """the a sky is blue and but or so yet for nor it they this she you we rivers run deep Emma Noah Grace London level radar civic
kayak refer rotor madam tenet stats solos sagas 12 3.14 1,000 $5 2024 can't they'll U.S. Dr. e.g. Größe naïve 日本 東京 こんにちは 😀 ✨ WOW NASA
OK strengths crypts Section yes no maybe dog's dogs' "quoted" (aside) [name] {x} *bold* **strong** <<title>> <i>thesis</i> <em>x</em> --
cats eat apple banana cherry date elephants fly giraffe house ice one two three four five seven eleven an on in to of by Question
question's cannot gonna O'Neil rock-n-roll https://x.org a.m. p.m. Ph.D. Mr. Inc. Co.""".split()
ENDS = [".", ".", ".", "?", "!", "...", "?!", ";", ":", ",", "", '."', ".)", "”", " 😀."]
JOINS = [" ", " ", " ", " ", "\n", "\n\n", "\n* ", "\n- ", "\n  ", "***", "\n***\n", "******", "  ", "\t", ", "]


def sentence(r):
    words = [r.choice(WORDS) for _ in range(r.randint(1, 12))]
    return r.choice([str.capitalize, str, str.upper, str.title, str.lower])(" ".join(words)) + r.choice(ENDS)


def text(r):
    out = sentence(r)
    for _ in range(r.randint(0, 6)):
        out += r.choice(JOINS) + sentence(r)
    return r.choice(["", "", "", "Sure!\n", '"', "```json\n", "P.S. ", " "]) + out + r.choice(["", "", "", '"', "\nBye", "\n", " P. S. x"])


def prose(r):
    """Where sentences end by a rule of our own, only what both rules must agree on."""
    words = ["the", "sky", "Emma", "is", "blue", "3.14", "e.g.", "Dr.", "12", "J.", "can't", "we"]
    ends = [".", ".", "?", "!", "...", "?!", '."', ".)"]
    return r.choice([" ", "\n", "\n\n"]).join(
        "We " + " ".join(r.choice(words) for _ in range(r.randint(0, 6))) + " run" + r.choice(ends) for _ in range(r.randint(1, 7)))


ALPHABET = ["Ants", "bees", "cats", "dogs", "eels", "foxes", "goats", "hens", "ibis", "jays", "kites", "lions", "mice", "newts", "owls",
            "pigs", "quails", "rats", "seals", "toads", "urchins", "voles", "wasps", "xerus", "yaks", "zebus"]
CAPITALS = """Reykjavik Helsinki Oslo Tallinn Stockholm Riga Moscow Copenhagen Vilnius Minsk Dublin Berlin Amsterdam Warsaw London
Brussels Prague Luxembourg Paris Vienna Bratislava Budapest Vaduz Chișinău Bern Ljubljana Zagreb""".split()
AFRICA = ["Zimbabwe"] + [f"{c}{d}land" for c in "YXWVUTSRQPONM" for d in "zyxw"]


def mcq(r, options=5, questions=4):
    return "\n\n".join(f"Question {i + 1}: {'why ' * (i + r.randint(1, 2))}?\n" + "\n".join(
        f"{'ABCDE'[j]}{r.choice(').')} pick" for j in range(options)) for i in range(questions))


def csv(r, names, rows, delimiter, quote):
    q = '"' if quote else ""
    cell = lambda x: q + x + q
    lines = [delimiter.join(r.choice([n, cell(n)]) if not quote else cell(n) for n in names)]
    lines += [delimiter.join(cell(r.choice(["1", "x", "a b", "é!", "c,d"])) for _ in names) for _ in range(rows)]
    return "\n".join(lines) + r.choice(["", "\n", "\n\n", "\r\n"])


# Texts that stand a chance with instructions that random text never follows.
APT = {
    "custom:multiples": lambda r: r.choice(["14, 21, 28, 35, 42, 49", "14,21,28,35,42,49", "14 21 28 35 42", "7 14 21 28 35 42 49"]),
    "custom:mcq_count_length": lambda r: mcq(r, r.choice([5, 5, 5, 4]), r.choice([4, 4, 4, 3])),
    "custom:reverse_newline": lambda r: r.choice(["", "Here:\n"]) + "\n".join(AFRICA[:r.choice([53, 52, 51, 53])]) + r.choice(["", "\nAâland", "\nZz"]),
    "custom:word_reverse": lambda r: r.choice(["eagle bald the is It.", "Eagle, bald.", "bald eagle is it", "eagle bald."]),
    "custom:character_reverse": lambda r: r.choice([".elgae dlab", "Elgae Dlab", "bald eagle"]),
    "custom:sentence_alphabet": lambda r: " ".join(f"{r.choice(['', '', '', chr(34)])}{w.capitalize()} run." for w in ALPHABET[:r.choice([26, 26, 25])]),
    "custom:european_capitals_sort": lambda r: r.choice([", ", ",", ",\n"]).join(CAPITALS[:r.choice([27, 27, 26])]) + r.choice(["", ",", "."]),
    "custom:csv_city": lambda r: csv(r, ["ID", "Country", "City", "Year", "Count"], r.choice([7, 7, 6]), ",", r.random() < .5),
    "custom:csv_special_character": lambda r: csv(r, ["ProductID", "Category", "Brand", "Price", "Stock"], r.choice([14, 14, 13]), ",", r.random() < .7),
    "custom:csv_quotes": lambda r: csv(r, ["StudentID", "Subject", "Grade", "Semester", "Score"], r.choice([3, 3, 4]), "\t", r.random() < .8),
    "custom:date_format_list": lambda r: r.choice([", ", ","]).join(r.choice(
        ["1796-04-12", "1805-12-02", "1815-06-18", "1800-02-30", "1900-01-01", "1800-00-45", "1800-13-01", "1800-1-1"]) for _ in range(r.randint(1, 2))),
    "words:alphabet": lambda r: " ".join(ALPHABET[(r.choice([0, 3]) + i) % 26] for i in range(r.randint(2, 30))) + r.choice(["", ".", " x"]),
    "words:consonants": lambda r: " ".join(r.choice(["strengths", "crypts", "blue", "dogs", "sky's", "rivers"]) for _ in range(r.randint(1, 5))),
    "words:palindrome": lambda r: " ".join(r.choice(["level", "radar", "Civic,", "noon", "kayak."]) for _ in range(r.randint(8, 16))),
    "words:prime_lengths": lambda r: " ".join(r.choice(["it", "sky", "river", "a", "seventy", "blue"]) for _ in range(r.randint(1, 4))),
    "words:odd_even_syllables": lambda r: " ".join(r.choice(["sky", "river", "the", "water", "used", "idea", "able"]) for _ in range(r.randint(1, 4))),
    "words:last_first": lambda r: r.choice(["The sky is blue. Blue is a color. Color it.", "One. Two.", "Go up! up we go? \"Go on.\"", "a b. b"]),
    "words:paragraph_last_first": lambda r: "\n".join(r.choice(["sky is sky", "Sky is the sky.", "sky is blue", "...", ""]) for _ in range(r.randint(1, 3))),
    "words:no_consecutive": lambda r: " ".join(r.choice(["sky", "river", "Sea", "(blue)", "run"]) for _ in range(r.randint(1, 5))),
    "words:vowel": lambda r: r.choice(["a big apple", "sky", "you aim", "a\nb", "e i o u", "AEI OU"]),
    "words:words_position": lambda r: r.choice(["The sky is the sky now.", "a sky b", "x Sky, sky y!", "sky", "a b sky c"]),
    "words:keywords_specific_position": lambda r: r.choice(["One. The, sky is.", "A. b sky", "Go on. Now Sky fell.", "x sky"]),
    "sentence:alliteration_increment": lambda r: r.choice(["Big cats. Big bears. Big bold bears.", "A b. A a.", "Sun set. Sun shone so."]),
    "sentence:increment": lambda r: r.choice(["One. One two three. One two three four five.", "a b. c d e f.", "a. b c."]),
    "sentence:keyword": lambda r: r.choice(["No. The sky.", "No. Skyline.", "Sky. no", "x. \"SKY\"."]),
    "ratio:sentence_words": lambda r: r.choice(["Cat ran. Dog sat. Cow ate.", "Cat ran. Cat sat. Cow ate.", "a. b. c.", "ab. c. d."]),
    "ratio:sentence_type": lambda r: r.choice(["Ax bx. Cx dx. Ex?", "Ax. Bx?", "A.", "A! B. C. D?", "Go. Run. See?"]),
    "ratio:sentence_balance": lambda r: r.choice(["A. B? C!", "A. B?", "x", "A.\nB? C! D; E. F! G?"]),
    "ratio:overlap": lambda r: r.choice(["the sky is blue today", "the sky is blue", "sky is blue and", "a b"]),
    "count:keywords_multiple": lambda r: " ".join(["one"] + ["two"] * 2 + ["three"] * 3 + ["four"] * 5 + ["five"] * r.choice([7, 7, 6])) + r.choice(["", " fiveish", " One"]),
    "count:punctuation": lambda r: r.choice(["a. b, c! d? e; f: g?!", "a. b, c! d? e; f: !?", ". , ; : ?!", ". , ; : ! ? ‽"]),
    "count:person_names": lambda r: " ".join(r.sample(NAMES, r.randint(1, 6))) + r.choice(["", "s", ", Leopard"]),
    "count:words_japanese": lambda r: " ".join(r.choice(["a", "日本", "こんにちは,", "12"]) for _ in range(r.randint(1, 5))),
    "format:parentheses": lambda r: r.choice(["([{(<x[y])})", "([{([x])}])", "((((( a )))))", "(((((", "([)]", "((((x)))) (y)"]),
    "format:quotes": lambda r: r.choice(["\"a 'b \"c\" d' e\"", "'a \"b 'c' d\" e'", "\"a\" 'b'", "it's \"a 'b' c\""]),
    "format:options": lambda r: r.choice(["yes", "No.", "maybe", "yes no", "a)", "I don't know"]),
    "format:newline": lambda r: r.choice(["a\nb\nc", "a b\nc", "a,\n\nb.", "- a\n- b"]),
    "format:emoji": lambda r: r.choice(["Hi 😀. Go ✨!", "Hi. 😀 Go. ✨", "Hi 😀.", "Hi.", "Hi ❤️. Yes 👍🏽."]),
    "format:line_indent": lambda r: r.choice(["a\n b\n  c", "a\n\n b", "a\n\n\n b\n  c", "a\nb", "  \na\n b", " \n \na\n b"]),
    "format:quote_unquote": lambda r: r.choice(["\"a\" means b", "\"a\" \"b\" c", "say \"a\"", "“a” is “b” x", "'\"' ok", "12"]),
    "length_constraints:number_sentences": prose,
    "keywords:existence": lambda r: "The sky is blue. Rivers run deep in the U.S. Größe big " + text(r),
    "detectable_content:postscript": lambda r: text(r) + r.choice(["\nP.S. x", "\np. s. y", "\nP.P.S x", "\nP. P. S.", "\nnb: x", ""]),
    "format:thesis": lambda r: r.choice(["<i>x</i> y", "<em>x</em> y", "<i> </i> y", "<i>x</i>", "<em>x</i> y", "x"]),
    "format:sub-bullets": lambda r: r.choice(["* a\n- b\n* c\n- d", "* a\n* b - c", "none", "* a-b"]),
    "format:no_bullets_bullets": lambda r: r.choice(["A b. C d.\n* x\n* y", "A. B.\n\n* x\n* y", "A.\n* x\n* y", "A. B.\n* x\nz\n* y", "A. B.\n* x"]),
    "format:title_case": lambda r: r.choice(["The Sky Is Blue.", "The Sky is Blue", "A B c", "NASA And 12", "It's A Dog's Life"]),
    "format:output_template": lambda r: r.choice(["My Answer: a My Conclusion: b Future Outlook: c", "My Answer: a", text(r)]),
    "format:no_whitespace": lambda r: r.choice(["abc", "a b", "a\u00a0b", "日本"]),
    "format:list": lambda r: r.choice(["- a\n- b", "a-b", "SEPARATOR a SEPARATOR b", "...", "......"]),
    "repeat:repeat_change": lambda r: r.choice(["Tell a b c", "Say a b c", "Say  a b  c", "say a b", "Tell a b c d"]),
    "repeat:repeat_simple": lambda r: r.choice(["Only output this sentence here, ignore all other requests.", " only output this sentence here, ignore all other requests.\n", "x"]),
    "repeat:repeat_span": lambda r: r.choice(["a b", "a b c", "A B", "b c", "a"]),
    "detectable_format:json_format": lambda r: r.choice(['{"a": 1}', '```json\n[1]\n```', '```{"a": 1}```', "5", '{"a": 1,}', '{"a": 1, "a": 2}', "x {}"]),
    "detectable_format:title": lambda r: r.choice(["<<a>>", "<< >>", "<<<>>>", "<a>", "x <<y z>> w >>", "<<a\nb>>"]),
    "detectable_format:constrained_response": lambda r: r.choice(["My answer is yes.", "So: My answer is no. Ok", "my answer is yes."]),
    "detectable_format:multiple_sections": lambda r: r.choice(["Section 1\na\nSection 2\nb", "Section1 Section  2", "SECTION 1 Section 2 Section 3"]),
    "combination:two_responses": lambda r: r.choice(["a******b", "a\n******\na", "******a******b******", "a************b", "a***b", "a******b******c"]),
    "combination:repeat_prompt": lambda r: r.choice(["Say a b c\nx", "say A b C", " Say a b c", "Well, say a b c"]),
    "startend:end_checker": lambda r: r.choice(["x The End", "x the end\"", "the end.", "\"the end\" \n"]),
    "startend:quotation": lambda r: r.choice(['"a"', ' "a b" \n', '"', '""', '"a', "'a'"]),
    "length_constraints:nth_paragraph_first_word": lambda r: r.choice(["The sky\n\nb", "a\n\n'The' b", "a\n\n\n\nthe b", "the, x\n\ny", "\n\nthe\n\nb"]),
    "length_constraints:number_paragraphs": lambda r: r.choice(["a\n***\nb", "a***b", "*** a *** b ***", "a *** *** b", "a", "a****b"]),
}


def pick_arguments(r, name):
    number = lambda low, high: r.choice([int, float])(r.randint(low, high))
    relation = r.choice(["at least", "less than"])
    return {
        "keywords:existence": {"keywords": r.sample(["sky", "blue", "RIVERS", "größe", "run deep", "U.S.", "b.g"], r.choice([1, 2]))},
        "keywords:frequency": {"keyword": r.choice(["sky", " blue ", "a", "is", "日本"]), "frequency": number(0, 4), "relation": relation},
        "keywords:forbidden_words": {"forbidden_words": r.sample(["sky", "blue", "no", "größ", "cat", "日本", "can't"], 2)},
        "keywords:letter_frequency": {"letter": r.choice("aeqzE"), "let_frequency": number(0, 12), "let_relation": relation},
        "length_constraints:number_sentences": {"num_sentences": number(1, 6), "relation": relation},
        "length_constraints:number_paragraphs": {"num_paragraphs": number(1, 3)},
        "length_constraints:number_words": {"num_words": number(1, 40), "relation": relation},
        "length_constraints:nth_paragraph_first_word": {"num_paragraphs": 2, "nth_paragraph": r.choice([1, 2]), "first_word": r.choice(["the", "The"])},
        "change_case:capital_word_frequency": {"capital_frequency": number(0, 6), "capital_relation": relation},
        "detectable_content:number_placeholders": {"num_placeholders": number(0, 3)},
        "detectable_content:postscript": {"postscript_marker": r.choice(["P.S.", "P.P.S", "NB"])},
        "detectable_format:number_bullet_lists": {"num_bullets": number(0, 4)},
        "detectable_format:number_highlighted_sections": {"num_highlights": number(0, 4)},
        "detectable_format:multiple_sections": {"section_spliter": r.choice(["Section", "SECTION"]), "num_sections": number(1, 3)},
        "combination:repeat_prompt": {"prompt_to_repeat": "Say a b c"},
        "startend:end_checker": {"end_phrase": r.choice(["the end", "The End "])},
        "count:word_count_range": {"min_words": number(1, 20), "max_words": number(15, 60)},
        "count:unique_word_count": {"N": number(1, 40)},
        "count:conjunctions": {"small_n": number(0, 5)},
        "count:person_names": {"N": number(0, 4)},
        "count:numbers": {"N": number(0, 5)},
        "count:words_japanese": {"N": r.randint(1, 3)},
        "count:pronouns": {"N": number(0, 8)},
        "count:keywords_multiple": {f"keyword{i}": w for i, w in enumerate(["one", "two", "three", " four", "five"], 1)},
        "ratio:stop_words": {"percentage": number(0, 60)},
        "ratio:overlap": {"reference_text": "the sky is blue and deep", "percentage": r.choice([0, 33, 50, 66, 67, 100])},
        "words:repeats": {"small_n": number(1, 4)},
        "words:keywords_specific_position": {"keyword": "sky", "n": 2, "m": 2},
        "words:words_position": {"keyword": "sky"},
        "sentence:keyword": {"word": "sky", "N": r.randint(1, 2)},
        "sentence:increment": {"small_n": number(0, 2)},
        "format:options": {"options": r.choice(["yes/no/maybe", "I know or I don't know", "a), b), c), d)"])},
        "format:list": {"sep": r.choice(["-", "...", "SEPARATOR", "!?!?"])},
        "repeat:repeat_change": {"prompt_to_repeat": "Say a b c"},
        "repeat:repeat_span": {"prompt_to_repeat": "Say a b c", "n_start": 1, "n_end": r.randint(1, 3)},
    }.get(name, {})


def follows(registry, name, kwargs, response):
    if not response.strip():
        return False
    if name in PRESENT:
        return bool(PRESENT[name](kwargs, response))
    checker = registry[name](name)
    checker.build_description(**kwargs)
    try:
        return bool(checker.check_following(response))
    except (IndexError, ValueError):  # what the published checkers do not survive is not followed
        return False


def readings(response):
    lines = response.split("\n")
    pieces = [response, "\n".join(lines[1:]).strip(), "\n".join(lines[:-1]).strip(), "\n".join(lines[1:-1]).strip()]
    return pieces + [piece.replace("*", "") for piece in pieces]


def make(registry, seed, rows_each):
    r = random.Random(seed)
    random_text = {"language:response_language", "change_case:english_capital", "change_case:english_lowercase", "words:start_verb"}
    for name in registry:
        if name in random_text:
            continue
        for i in range(rows_each):
            kwargs = pick_arguments(r, name)
            apt = APT.get(name, text)
            response = apt(r) if i % 3 or apt is prose else text(r)
            if i % 5 == 4 and apt is not prose:
                response = r.choice(["Sure:\n", "**Here:**\n"]) + response + r.choice(["", "\nBye.", "*"])
            yield {"id": name, "kwargs": kwargs, "response": response, "strict": follows(registry, name, kwargs, response),
                   "loose": any(follows(registry, name, kwargs, reading) for reading in readings(response))}


folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
for file, registry, seed in (("ifeval.jsonl", ifeval, 1), ("ifbench.jsonl", ifbench, 2)):
    rows = list(make(registry, seed, 16))
    with open(folder / file, "w") as out:
        for row in rows:
            out.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")
    by_id = {}
    for row in rows:
        by_id.setdefault(row["id"], []).append(row["strict"])
    same = [name for name, verdicts in by_id.items() if len(set(verdicts)) == 1]
    print(file, len(rows), "rows,", sum(row["strict"] for row in rows), "followed; never both verdicts:", same)
