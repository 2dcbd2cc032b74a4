// Tables in order, searched by halves.
#include "reward/instruction/word_lists.h"

#include <algorithm>
#include <iterator>

#include "reward/text/code_points.h"

namespace temper::reward {
namespace {

// clang-format off

// In order.
constexpr std::u32string_view kStopWords[] = {
    U"a", U"about", U"above", U"after", U"again", U"against", U"ain", U"all", U"am", U"an",
    U"and", U"any", U"are", U"aren", U"as", U"at", U"be", U"because", U"been", U"before",
    U"being", U"below", U"between", U"both", U"but", U"by", U"can", U"couldn", U"d", U"did",
    U"didn", U"do", U"does", U"doesn", U"doing", U"don", U"down", U"during", U"each", U"few",
    U"for", U"from", U"further", U"had", U"hadn", U"has", U"hasn", U"have", U"haven", U"having",
    U"he", U"her", U"here", U"hers", U"herself", U"him", U"himself", U"his", U"how", U"i",
    U"if", U"in", U"into", U"is", U"isn", U"it", U"its", U"itself", U"just", U"ll", U"m", U"ma",
    U"me", U"mightn", U"more", U"most", U"mustn", U"my", U"myself", U"needn", U"no", U"nor",
    U"not", U"now", U"o", U"of", U"off", U"on", U"once", U"only", U"or", U"other", U"our",
    U"ours", U"ourselves", U"out", U"over", U"own", U"re", U"s", U"same", U"shan", U"she",
    U"should", U"shouldn", U"so", U"some", U"such", U"t", U"than", U"that", U"the", U"their",
    U"theirs", U"them", U"themselves", U"then", U"there", U"these", U"they", U"this", U"those",
    U"through", U"to", U"too", U"under", U"until", U"up", U"ve", U"very", U"was", U"wasn",
    U"we", U"were", U"weren", U"what", U"when", U"where", U"which", U"while", U"who", U"whom",
    U"why", U"will", U"with", U"won", U"wouldn", U"y", U"you", U"your", U"yours", U"yourself",
    U"yourselves"};

// In order.
constexpr std::u32string_view kPronouns[] = {
    U"all", U"any", U"anybody", U"anyone", U"anything", U"both", U"each", U"either",
    U"everybody", U"everyone", U"everything", U"he", U"her", U"hers", U"herself", U"him",
    U"himself", U"his", U"i", U"it", U"its", U"itself", U"me", U"mine", U"my", U"myself",
    U"neither", U"nobody", U"none", U"nothing", U"our", U"ours", U"ourselves", U"she", U"some",
    U"somebody", U"someone", U"something", U"that", U"their", U"theirs", U"them", U"themselves",
    U"these", U"they", U"this", U"those", U"us", U"we", U"what", U"whatever", U"which",
    U"whichever", U"who", U"whoever", U"whom", U"whomever", U"whose", U"you", U"your", U"yours",
    U"yourself", U"yourselves"};

// Words of syllapy's dictionary whose number of syllables is odd where that of the rule is even, or
// the other way round. In order.
constexpr std::u32string_view kOtherParity[] = {
    U"absolutely", U"achieved", U"achievement", U"acquired", U"actual", U"actually", U"added",
    U"addressed", U"adobe", U"advanced", U"advertisement", U"affiliate", U"aged", U"agree",
    U"agricultural", U"aisle", U"alleged", U"alliance", U"allowed", U"anime", U"announced",
    U"announcement", U"annual", U"antonio", U"anxiety", U"anyone", U"apache", U"apparently",
    U"appliances", U"applying", U"appreciate", U"appreciation", U"appropriate", U"approved",
    U"area", U"argue", U"armed", U"arrangement", U"arrived", U"asked", U"associate",
    U"association", U"assumed", U"attached", U"audience", U"audio", U"austria", U"authorized",
    U"avenue", U"aviation", U"awareness", U"awesome", U"babes", U"bacteria", U"balanced",
    U"barely", U"barrier", U"baseball", U"based", U"basement", U"behavioral", U"being",
    U"believed", U"believes", U"besides", U"bestiality", U"beyond", U"bias", U"bibliography",
    U"bigger", U"biggest", U"biography", U"biological", U"biology", U"bombing", U"brian",
    U"bulgaria", U"business", U"businesses", U"businessman", U"buyer", U"buying", U"bytes",
    U"cached", U"cafe", U"called", U"canadian", U"captured", U"careful", U"caribbean",
    U"carrier", U"carrying", U"casual", U"casualty", U"caused", U"centre", U"centres",
    U"champion", U"championship", U"changed", U"changing", U"chaos", U"charged", U"charles",
    U"charlie", U"checked", U"chile", U"christianity", U"cleveland", U"client", U"closed",
    U"closest", U"clothes", U"coalition", U"codes", U"coffee", U"colombia", U"colonial",
    U"columbia", U"combined", U"comes", U"committee", U"compared", U"compiled", U"compliance",
    U"composed", U"concerned", U"confirmed", U"considered", U"consistently", U"constantly",
    U"contained", U"continue", U"continuous", U"controlled", U"convened", U"convinced",
    U"cookie", U"cooperate", U"cooperation", U"cooperative", U"coordinate", U"coordinator",
    U"correctly", U"covered", U"create", U"created", U"creating", U"creation", U"creative",
    U"creativity", U"creator", U"criteria", U"cruel", U"curiosity", U"curious", U"customized",
    U"dancing", U"dates", U"declared", U"defender", U"defined", U"definitely", U"degree",
    U"denial", U"depending", U"depressed", U"derived", U"described", U"designed", U"desired",
    U"detailed", U"determined", U"developed", U"developmental", U"diabetes", U"diagnose",
    U"diagnosis", U"diagram", U"dial", U"dialogue", U"diameter", U"diary", U"diego", U"diet",
    U"differently", U"dining", U"disagree", U"discovered", U"discussed", U"doing", U"drives",
    U"driveway", U"dropped", U"dual", U"dying", U"earned", U"easier", U"ecological",
    U"editorial", U"elsewhere", U"embarrassed", U"emotionally", U"employees", U"employer",
    U"employers", U"encouraged", U"encouraging", U"encyclopedia", U"enforcement", U"engaged",
    U"engagement", U"enhanced", U"enthusiasm", U"entirely", U"environmental", U"equipped",
    U"essentially", U"established", U"estimated", U"european", U"evaluate", U"evaluation",
    U"evening", U"eventually", U"every", U"everybody", U"everyday", U"everything",
    U"everywhere", U"excitement", U"exclaimed", U"existing", U"expected", U"experience",
    U"experiences", U"exposed", U"extremely", U"failed", U"falsehood", U"falsehoods",
    U"fastened", U"faster", U"featured", U"february", U"filed", U"files", U"filled",
    U"finished", U"firefox", U"fireplace", U"firewall", U"firmly", U"fixed", U"fluid",
    U"flying", U"focused", U"forced", U"forecast", U"forehead", U"formed", U"framed", U"frames",
    U"framework", U"fucked", U"fuel", U"funding", U"games", U"gateway", U"genes", U"genre",
    U"genuine", U"geographic", U"geography", U"getting", U"giant", U"gives", U"giving",
    U"gloves", U"going", U"grabbed", U"grades", U"graduate", U"graduation", U"grateful",
    U"greatest", U"guarantee", U"guardian", U"guideline", U"guides", U"happened", U"harder",
    U"having", U"hawaii", U"helped", U"higher", U"highest", U"historian", U"historically",
    U"holes", U"homeland", U"homeless", U"homes", U"homework", U"hopefully", U"household",
    U"html", U"http", U"idea", U"ideal", U"ideas", U"identifying", U"ideological", U"ideology",
    U"ieee", U"immediate", U"importantly", U"improved", U"improvement", U"including",
    U"increased", U"increasingly", U"india", U"indian", U"indiana", U"individual",
    U"individuals", U"induced", U"industrial", U"influence", U"influential", U"informed",
    U"ingredient", U"initially", U"initiate", U"initiative", U"inspired", U"installed",
    U"instructional", U"intellectual", U"interior", U"intermediate", U"introduced", U"invented",
    U"investigator", U"investor", U"involved", U"iowa", U"ireland", U"ironically", U"islamic",
    U"israel", U"issue", U"jacksonville", U"james", U"january", U"joined", U"jokes", U"jones",
    U"jose", U"killed", U"korea", U"korean", U"lakes", U"largely", U"larger", U"largest",
    U"lately", U"launched", U"layer", U"layers", U"layout", U"learned", U"leaves", U"legally",
    U"lesbian", U"liability", U"liable", U"licensed", U"lifestyle", U"lifetime", U"liked",
    U"likelihood", U"likely", U"likewise", U"linear", U"lines", U"lingerie", U"linked", U"lion",
    U"listener", U"lived", U"lives", U"logged", U"lonely", U"longer", U"looked", U"louis",
    U"loved", U"lovely", U"loves", U"loyal", U"loyalty", U"lying", U"machines", U"makes",
    U"managed", U"management", U"managing", U"manual", U"manufacturing", U"maria", U"marie",
    U"marked", U"material", U"materials", U"maybe", U"mayor", U"measured", U"measurement",
    U"media", U"median", U"medium", U"melted", U"memorabilia", U"memorial", U"merely", U"miami",
    U"michelle", U"miles", U"milwaukee", U"minneapolis", U"misc", U"miscellaneous", U"missed",
    U"mixed", U"modes", U"montreal", U"moved", U"movement", U"moves", U"movie", U"mpeg",
    U"multimedia", U"museum", U"mutual", U"mysql", U"mysterious", U"named", U"names",
    U"nashville", U"ncaa", U"nearer", U"nearest", U"negotiate", U"negotiation", U"nike",
    U"nodded", U"nodes", U"nominee", U"nonetheless", U"notebook", U"notes", U"noticed",
    U"nuclear", U"nutrient", U"observed", U"obvious", U"occurred", U"offender", U"officially",
    U"ohio", U"ones", U"ongoing", U"ontario", U"opened", U"openly", U"opposed", U"ordered",
    U"organizational", U"organized", U"orientation", U"ourselves", U"oversee", U"owned",
    U"palestinian", U"partially", U"passed", U"paying", U"peaceful", U"perceived", U"performer",
    U"period", U"personalized", U"philadelphia", U"philippines", U"phones", U"piano", U"picked",
    U"pictured", U"pierre", U"pioneer", U"pipeline", U"placed", U"placement", U"planned",
    U"plates", U"player", U"playing", U"pleased", U"poem", U"poems", U"poet", U"poetry",
    U"policeman", U"politically", U"portfolio", U"powered", U"preferred", U"premium",
    U"prepared", U"previous", U"priced", U"printed", U"prior", U"priorities", U"priority",
    U"processing", U"produced", U"programmes", U"progressed", U"promised", U"properly",
    U"proposed", U"purchased", U"pursuant", U"pursue", U"putting", U"quiet", U"quotes",
    U"radiation", U"radio", U"raised", U"rapidly", U"rarely", U"rates", U"reached", U"react",
    U"reaction", U"real", U"realistic", U"reality", U"realize", U"really", U"received",
    U"recently", U"recipe", U"recipient", U"recognized", U"reconcile", U"reconciliation",
    U"recreation", U"redeemed", U"reduced", U"referred", U"refugee", U"refused", U"registered",
    U"rehabilitation", U"reinforce", U"relatively", U"released", U"reliability", U"reliable",
    U"remaining", U"removed", U"repeatedly", U"replaced", U"replacement", U"reporting",
    U"required", U"requirement", U"requirements", U"rescue", U"researcher", U"reserved",
    U"respectively", U"retailer", U"retired", U"retirement", U"revenue", U"revised", U"riot",
    U"ritual", U"roles", U"romania", U"roughly", U"royal", U"rubbed", U"ruin", U"rules",
    U"ryan", U"safety", U"sales", U"samuel", U"satellites", U"saved", U"saying", U"scared",
    U"scenario", U"scenes", U"scheduled", U"science", U"sciences", U"scientific", U"scientist",
    U"scientists", U"scores", U"screeched", U"sealed", U"seattle", U"secured", U"seeing",
    U"seemed", U"seemingly", U"selected", U"serial", U"serious", U"seriously", U"served",
    U"serves", U"sexual", U"sexuality", U"shared", U"shareholder", U"shares", U"shareware",
    U"sharply", U"shaved", U"shinning", U"shipped", U"shooting", U"showed", U"sides",
    U"sidewalk", U"sierra", U"signed", U"significantly", U"similarly", U"sites", U"situation",
    U"sized", U"skiing", U"skilled", U"slightly", U"slipped", U"smaller", U"smallest",
    U"socially", U"society", U"sodium", U"softly", U"solely", U"somebody", U"someday",
    U"somehow", U"something", U"sometime", U"somewhat", U"somewhere", U"soviet", U"specials",
    U"spending", U"spiritual", U"spokesman", U"stadium", U"stared", U"starting", U"statement",
    U"statements", U"states", U"statue", U"steadily", U"stepped", U"stereo", U"stereotype",
    U"stones", U"stopped", U"stored", U"stores", U"stronger", U"studio", U"studios", U"styles",
    U"substantially", U"successfully", U"suddenly", U"suicide", U"suites", U"superior",
    U"supposed", U"surely", U"surprised", U"surprisingly", U"surrounded", U"takes", U"tales",
    U"taxpayer", U"tennessee", U"testing", U"theater", U"themes", U"themselves", U"theological",
    U"theology", U"theoretical", U"theory", U"thereby", U"therefore", U"tightly", U"times",
    U"tired", U"tissue", U"tokyo", U"tones", U"tracked", U"trademark", U"trading",
    U"traditionally", U"trained", U"transferred", U"treated", U"trial", U"triangle", U"triumph",
    U"trying", U"turned", U"tutorial", U"twentieth", U"types", U"typically", U"undergraduate",
    U"underlying", U"unlikely", U"unusual", U"used", U"useful", U"using", U"usual", U"vacuum",
    U"valuable", U"value", U"variable", U"variation", U"variety", U"various", U"venue", U"via",
    U"viagra", U"victoria", U"video", U"vietnam", U"viewed", U"violate", U"violation",
    U"violence", U"violent", U"virtual", U"virtually", U"virtue", U"visual", U"voip", U"votes",
    U"voting", U"voyage", U"voyeur", U"wales", U"warehouse", U"warrior", U"waves", U"wednesday",
    U"whispered", U"whoever", U"wholesale", U"widely", U"widespread", U"willingness",
    U"wireless", U"worked", U"wrapped", U"writes", U"wyoming", U"xbox"};

// First and last of each run; in order.
constexpr char32_t kEmoji[][2] = {
    {0xA9, 0xA9}, {0xAE, 0xAE}, {0x203C, 0x203C}, {0x2049, 0x2049}, {0x2122, 0x2122}, {0x2139,
    0x2139}, {0x2194, 0x2199}, {0x21A9, 0x21AA}, {0x231A, 0x231B}, {0x2328, 0x2328}, {0x23CF,
    0x23CF}, {0x23E9, 0x23F3}, {0x23F8, 0x23FA}, {0x24C2, 0x24C2}, {0x25AA, 0x25AB}, {0x25B6,
    0x25B6}, {0x25C0, 0x25C0}, {0x25FB, 0x25FE}, {0x2600, 0x2604}, {0x260E, 0x260E}, {0x2611,
    0x2611}, {0x2614, 0x2615}, {0x2618, 0x2618}, {0x261D, 0x261D}, {0x2620, 0x2620}, {0x2622,
    0x2623}, {0x2626, 0x2626}, {0x262A, 0x262A}, {0x262E, 0x262F}, {0x2638, 0x263A}, {0x2640,
    0x2640}, {0x2642, 0x2642}, {0x2648, 0x2653}, {0x265F, 0x2660}, {0x2663, 0x2663}, {0x2665,
    0x2666}, {0x2668, 0x2668}, {0x267B, 0x267B}, {0x267E, 0x267F}, {0x2692, 0x2697}, {0x2699,
    0x2699}, {0x269B, 0x269C}, {0x26A0, 0x26A1}, {0x26A7, 0x26A7}, {0x26AA, 0x26AB}, {0x26B0,
    0x26B1}, {0x26BD, 0x26BE}, {0x26C4, 0x26C5}, {0x26C8, 0x26C8}, {0x26CE, 0x26CF}, {0x26D1,
    0x26D1}, {0x26D3, 0x26D4}, {0x26E9, 0x26EA}, {0x26F0, 0x26F5}, {0x26F7, 0x26FA}, {0x26FD,
    0x26FD}, {0x2702, 0x2702}, {0x2705, 0x2705}, {0x2708, 0x270D}, {0x270F, 0x270F}, {0x2712,
    0x2712}, {0x2714, 0x2714}, {0x2716, 0x2716}, {0x271D, 0x271D}, {0x2721, 0x2721}, {0x2728,
    0x2728}, {0x2733, 0x2734}, {0x2744, 0x2744}, {0x2747, 0x2747}, {0x274C, 0x274C}, {0x274E,
    0x274E}, {0x2753, 0x2755}, {0x2757, 0x2757}, {0x2763, 0x2764}, {0x2795, 0x2797}, {0x27A1,
    0x27A1}, {0x27B0, 0x27B0}, {0x27BF, 0x27BF}, {0x2934, 0x2935}, {0x2B05, 0x2B07}, {0x2B1B,
    0x2B1C}, {0x2B50, 0x2B50}, {0x2B55, 0x2B55}, {0x3030, 0x3030}, {0x303D, 0x303D}, {0x3297,
    0x3297}, {0x3299, 0x3299}, {0x1F004, 0x1F004}, {0x1F0CF, 0x1F0CF}, {0x1F170, 0x1F171},
    {0x1F17E, 0x1F17F}, {0x1F18E, 0x1F18E}, {0x1F191, 0x1F19A}, {0x1F201, 0x1F202}, {0x1F21A,
    0x1F21A}, {0x1F22F, 0x1F22F}, {0x1F232, 0x1F23A}, {0x1F250, 0x1F251}, {0x1F300, 0x1F321},
    {0x1F324, 0x1F393}, {0x1F396, 0x1F397}, {0x1F399, 0x1F39B}, {0x1F39E, 0x1F3F0}, {0x1F3F3,
    0x1F3F5}, {0x1F3F7, 0x1F4FD}, {0x1F4FF, 0x1F53D}, {0x1F549, 0x1F54E}, {0x1F550, 0x1F567},
    {0x1F56F, 0x1F570}, {0x1F573, 0x1F57A}, {0x1F587, 0x1F587}, {0x1F58A, 0x1F58D}, {0x1F590,
    0x1F590}, {0x1F595, 0x1F596}, {0x1F5A4, 0x1F5A5}, {0x1F5A8, 0x1F5A8}, {0x1F5B1, 0x1F5B2},
    {0x1F5BC, 0x1F5BC}, {0x1F5C2, 0x1F5C4}, {0x1F5D1, 0x1F5D3}, {0x1F5DC, 0x1F5DE}, {0x1F5E1,
    0x1F5E1}, {0x1F5E3, 0x1F5E3}, {0x1F5E8, 0x1F5E8}, {0x1F5EF, 0x1F5EF}, {0x1F5F3, 0x1F5F3},
    {0x1F5FA, 0x1F64F}, {0x1F680, 0x1F6C5}, {0x1F6CB, 0x1F6D2}, {0x1F6D5, 0x1F6D9}, {0x1F6DC,
    0x1F6E5}, {0x1F6E9, 0x1F6E9}, {0x1F6EB, 0x1F6EC}, {0x1F6F0, 0x1F6F0}, {0x1F6F3, 0x1F6FC},
    {0x1F7E0, 0x1F7EB}, {0x1F7F0, 0x1F7F0}, {0x1F90C, 0x1F93A}, {0x1F93C, 0x1F945}, {0x1F947,
    0x1F9FF}, {0x1FA70, 0x1FA7C}, {0x1FA80, 0x1FAC6}, {0x1FAC8, 0x1FAC8}, {0x1FACC, 0x1FADD},
    {0x1FADF, 0x1FAEB}, {0x1FAEF, 0x1FAFA}
};
// clang-format on

template <typename List>
bool Holds(const List& list, std::u32string_view word) {
  return std::binary_search(std::begin(list), std::end(list), word);
}

bool IsVowel(char32_t c) {
  return std::u32string_view(U"aeiouy").find(c) != std::u32string_view::npos;
}

}  // namespace

bool IsStopWord(std::u32string_view lower) { return Holds(kStopWords, lower); }

bool IsPronoun(std::u32string_view lower) { return Holds(kPronouns, lower); }

bool IsEmoji(char32_t c) {
  const auto* run =
      std::upper_bound(std::begin(kEmoji), std::end(kEmoji), c,
                       [](char32_t point, const auto& next) { return point < next[0]; });
  return run != std::begin(kEmoji) && c <= (*std::prev(run))[1];
}

int SyllableParity(std::u32string_view lower) {
  if (lower.empty() || std::any_of(lower.begin(), lower.end(), IsDigit)) return 0;
  int count = 0;
  for (size_t i = 0; i < lower.size(); ++i) {
    if (IsVowel(lower[i]) && (i == 0 || !IsVowel(lower[i - 1]))) ++count;
  }
  if (lower.back() == U'e') --count;
  if (lower.size() > 2 && lower.substr(lower.size() - 2) == U"le" &&
      !IsVowel(lower[lower.size() - 3])) {
    ++count;
  }
  if (count == 0) count = 1;
  return (count + (Holds(kOtherParity, lower) ? 1 : 0)) % 2;
}

}  // namespace temper::reward
