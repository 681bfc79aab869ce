// The markdown package made small for the one way it is used here: its lexer, with GitHub's rules and kept line breaks.
//
// The package composes its rules out of parts when it is loaded, in four dialects, and asks its options at each step.
// Here the rules are taken as they came out, the answers are put in the place of the questions, and the bundler drops
// what is left without use. `marked.test.ts` holds the result against the package itself.
import { transform } from "esbuild";
import { Lexer } from "marked";

/** The options that `parse.ts` gives; the text below answers for them. */
export const OPTIONS = { gfm: true, breaks: true, silent: true };

/** Questions of the source → their answers. Each has to be found at least once. */
const ANSWERS = [
  [/this\.options\.extensions\?\.(?:block|inline)\?\.some\(\w+=>\(\w+=\w+\.call\(\{lexer:this\},\w+,\w+\)\)\?\(\w+=\w+\.substring\(\w+\.raw\.length\),\w+\.push\(\w+\),!0\):!1\)/g, "!1"],
  [/if\(this\.options\.extensions\?\.start(?:Block|Inline)\)\{.*?\}\),\w+<1\/0&&.*?\}/gs, ""],
  [/this\.options\.hooks\?\.emStrongMask\?\.call\(\{lexer:this\},(\w+)\)\?\?\1/g, "$1"],
  [/this\.options\.hooks\?\.emStrongMask\|\|this\.tokenizer\.emStrong!==\w+\.prototype\.emStrong\|\|this\.tokenizer\.del!==\w+\.prototype\.del/g, "!1"],
  [/this\.tokenizer\.paragraph===\w+\.prototype\.paragraph/g, "!0"],
  [/this\.options\.pedantic/g, "!1"],
  [/this\.options\.(?:gfm|silent)/g, "!0"],
  [/this\.options=\w+\|\|\w+,this\.options\.tokenizer=this\.options\.tokenizer\|\|new (\w+),this\.tokenizer=this\.options\.tokenizer,this\.tokenizer\.options=this\.options/g, "this.tokenizer=new $1"],
  [/let (\w+)=\{other:\w+,block:[^}]*\};!1\?.*?this\.tokenizer\.rules=\1\}static get rules\(\)\{[^}]*\}\}/gs, "}"],
  [/\{options;rules;lexer;constructor\(\w+\)\{this\.options=\w+\|\|\w+\}/g, "{"],
  // The functions beside the classes were given the rules; they find them by name now.
  [/,this\.rules\)/g, ")"],
  [/\{tokens;options;state;inlineQueue;tokenizer;/g, "{"],
  // Fields of tokens that nobody here reads.
  [/,codeBlockStyle:"indented"|,pre:\w+\[1\]==="pre"\|\|\w+\[1\]==="script"\|\|\w+\[1\]==="style"|,block:!\d|,autolink:!0/g, ""],
  [/static lex\(\w+,\w+\)\{[^}]*\}static lexInline\(\w+,\w+\)\{[^}]*\}/g, ""],
];
/** Names that no token carries out of the lexer: they may become short. */
const INSIDE = /^(blockTokens|inlineTokens|inlineQueue|infiniteLoopError|linkInText|lastToken|inLink|inRawBlock|linkEmitted|linkParenPossible|maskedSrc|lastPossible\w+|tokenizer|lexer|emStrong|codespan|inlineText|autolink|reflink|lheading|fences|escaped|loose|links)$/;

/** The package's source → its lexer alone, as a minified module. Throws when the package has another shape than the pinned one. */
export async function lexerOnly(source) {
  const changed = (sentence) => new Error(`marked has another shape than the pinned version: ${sentence}; look at it again`);
  const part = (pattern, what) => {
    const found = pattern.exec(source);
    if (!found) throw changed(what);
    return found[1];
  };
  const other = part(/(\w+)=\{codeRemoveIndent:/, "its small rules are gone");
  const lexer = part(/export\{[^}]*?(\w+) as Lexer,/, "it exports no lexer");
  // From the first function after the rules to the class after the lexer.
  const body = part(/;var \w+=\{"&":"&amp;".*?(function \w+\(\w+\)\{return \w+\.numericCharacterReference\.test.*?);?var \w+=class\{options;parser;/s, "its classes stand in another order");
  const tags = /(\w+)="(address\|article\|[^"]*)"/.exec(source);
  if (!tags) throw changed("its list of tags is gone");

  let text = body;
  for (const [question, answer] of ANSWERS) {
    if (!question.test(text)) throw changed(`${question.source} is not asked`);
    question.lastIndex = 0;
    text = text.replace(question, answer);
  }
  const all = new Lexer({ ...OPTIONS }).tokenizer.rules;
  const used = new Set();
  text = text.replace(/[\w.]+\.(block|inline|other)\.(\w+)/g, (_, kind, name) => rule(kind, name));
  text = text.replace(new RegExp(`(?<![\\w.])${other}\\.(\\w+)`, "g"), (_, name) => rule("other", name));
  text = text.replace(/let\{([\w:,]+)\}=this\.tokenizer\.rules\.inline/g, (_, names) => `let ${names.split(",").map((one) => {
    const [name, as] = one.split(":");
    return `${as ?? name}=${rule("inline", name)}`;
  }).join(",")}`);
  function rule(kind, name) {
    if (!(name in all[kind])) throw changed(`there is no rule ${kind}.${name}`);
    used.add(`${kind}.${name}`);
    return `rule_${kind}_${name}`;
  }
  if (/\.rules\b/.test(text)) throw changed("a rule is asked for in another way");
  if (/this\.options\b/.test(text)) throw changed("an option is asked for in another way");
  const rules = [...used].sort().map((one) => {
    const [kind, name] = one.split(".");
    const value = all[kind][name];
    if (value instanceof RegExp) return `const rule_${kind}_${name}=${value};`;
    // A rule that depends on an indentation: as it stands in the source.
    const made = part(new RegExp(`[,{]${name}:((?:\\w+\\()?(\\w+)=>new RegExp\\(\`(?:\\\\.|[^\`\\\\])*\`(?:,"i")?\\)\\)?)`), `${name} is made in another way`);
    return `const rule_${kind}_${name}=${made.replace(/^\w+\(/, "/* @__PURE__ */ perIndent(").replaceAll(`\${${tags[1]}}`, tags[2])};`;
  });
  const memo = "function perIndent(make){let made=[];return n=>{let i=Math.max(0,Math.min(3,n-1));return made[i]??=make(i)}}";
  const made = await transform(`${memo}${rules.join("")}${text};export{${lexer} as Lexer};`, { minify: true, format: "esm", target: "es2022", charset: "utf8", mangleProps: INSIDE });
  return made.code;
}
