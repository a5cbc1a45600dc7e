/** A word or form that this project avoids, and the words to write instead. */
export type Avoided = { pattern: RegExp; instead: string };

const avoid = (pattern: RegExp, instead: string): Avoided => ({ pattern, instead });

/** For all text: comments, documents, test titles, log lines, refusals. */
export const WORDS: Avoided[] = [
  avoid(/\b(?:tells?|told|telling|untold)\b/gi, "deliver, publish, report, announce, notify"),
  avoid(/\b(?:hears?|heard|hearing|unheard)\b/gi, "receive, listen, subscribe"),
  avoid(/\b(?:gone|goodbyes?)\b/gi, "offline, closed, lost, expired, evicted, deleted"),
  avoid(/\blet(?:s|ting)?\b[^.,;:]{1,40}\bleave\b/gi, "evict"),
  avoid(/\btak(?:e|es|en|ing) (?:it |them |this |that )?for\b/gi, "count as, confuse with"),
  avoid(/\bma(?:de|ke|kes|king) good\b/gi, "repair"),
  avoid(/\bto the (?:letter|byte)\b/gi, "byte-identical, unchanged"),
  avoid(/\bsen[dt]s? away\b/gi, "disconnect"),
  avoid(
    /\bthose (?:who|that|which|whose|whom|of|in|on|with|from|to|not|for)\b/gi,
    "the noun: users, connections, rows",
  ),
  avoid(/\b(?:he|him|his|himself|she|hers|herself)\b/gi, "they, or the noun: the agent, the visitor"),
  avoid(/\b(?:whoever|whom|whomever)\b/gi, "the noun: the agent, the user"),
  avoid(/\bone(?:'s|self)\b/gi, "the owner: the user's, its own"),
  avoid(/\ba staff\b(?! (?:members?|events?|connections?)\b|')/gi, "an agent, a staff member"),
  avoid(/\bstrangers?\b/gi, "other users, another organisation"),
];

/** How no sentence begins, unless it is a question. */
export const BEGINNINGS = avoid(
  /^(?:who|whose|whoever|whom|what|whatever|whichever|of)\b/i,
  "begin with the actor: subject, verb, object",
);

/** In identifiers and names of files, for each part: `isUnheard` has the part `unheard`. */
export const NAME_PARTS = avoid(
  /^(?:tells?|told|telling|untold|hears?|heard|hearing|unheard|gone|goodbyes?|whom|whoever|deaf)$/i,
  "deliver, publish, report, receive, pending, evicted, lost, offline",
);

/** Names that other programs rely on. */
export const ALLOWED = /\b(?:staff_goes_offline|staff_goes_online|is_heard)\b|~(?:telling|unheard)\b/g;

export const MAX_WORDS = 20;
