'use strict';

const { serve, Failure } = require('procpool');

serve({
  name: 'word-count',
  run(text) {
    const words = text.split(/\s+/).filter(Boolean);
    if (words.length === 0) throw new Failure('the text has no words', { code: 'no_words' });
    return words.length;
  },
});
