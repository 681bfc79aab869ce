// An empty Node server: reads the body and answers 200.
import { bodyOf, gotMessage, serve } from "./serve.mjs";

serve(async (request, response) => {
  await bodyOf(request);
  gotMessage();
  response.end();
});
